"""Eyes and ears: each turns frames, sound or subtitles into timestamped captions."""
