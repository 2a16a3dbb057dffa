"""What leaving out near-duplicate pictures saves, and what it loses.

    python benchmarks/near_duplicates.py VIDEOS --detector yolov8n.pt [--thresholds 2 4 8 16]

Every second of each clip is looked at by a detector and by the text reader. With a threshold, a second that looks
like an earlier one (`Sampling.min_change`) counts as showing what the earlier one showed. Printed for each
threshold: the share of pictures that is still looked at, and the share of (second, label) and (second, word)
pairs that is lost, with those lost counted over all seconds.
"""

import argparse
import re
from pathlib import Path

from videochat.errors import MediaError
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.tools import make_tool
from videochat.tools.objects import ObjectDetector

SIDE = 640


def seen_by_second(video: Video, detector: ObjectDetector) -> dict[float, set[str]]:
    """Return what detector and text reader find at each second of a clip, looking at every one afresh."""
    sights: dict[float, set[str]] = {}
    reader = make_tool("ocr")
    for frame in video.frames(1.0, max_side=SIDE):
        labels = detector._load().detect([frame.image], detector.min_score)[0]
        sights[frame.seconds] = {sighting.label for sighting in labels}
        for item in reader.perceive([Frame(0.0, frame.image, 1.0)], video, 0.0, 1.0):
            text = getattr(item, "text", "")
            sights[frame.seconds] |= {f"“{word.lower()}”" for word in re.findall(r"\w{3,}", text)}
    return sights


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, help="a folder of clips")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[2, 4, 8, 12, 16, 24])
    options = parser.parse_args()
    detector = ObjectDetector(options.detector, min_score=0.5)
    kept = dict.fromkeys(options.thresholds, 0)
    lost = {threshold: {"labels": 0, "words": 0} for threshold in options.thresholds}
    pictures, there = 0, {"labels": 0, "words": 0}
    for path in sorted(options.videos.iterdir()):
        try:
            video = Video(path)
        except MediaError:
            continue
        if not video.has_video:
            continue
        sights = seen_by_second(video, detector)
        pictures += len(sights)
        for found in sights.values():
            for thing in found:
                there["words" if thing.startswith("“") else "labels"] += 1
        looks = []
        for threshold in options.thresholds:
            looked = [frame for _, frame in video.sample([Sampling(1.0, SIDE, threshold)])]
            looks.append(len(looked))
            kept[threshold] += len(looked)
            for frame in looked:
                for second, found in sights.items():
                    if frame.seconds < second < frame.end_seconds - 1e-6:
                        for thing in found - sights[frame.seconds]:
                            lost[threshold]["words" if thing.startswith("“") else "labels"] += 1
        print(f"{video.name}: {len(sights)} seconds, looked at {looks}", flush=True)
    print(f"\n{pictures} pictures, {there['labels']} labels, {there['words']} words\n")
    print("| min_change | looked at | labels lost | words lost |\n|---:|---:|---:|---:|")
    for threshold in options.thresholds:
        losses = [f"{lost[threshold][what] / max(there[what], 1):.1%}" for what in ("labels", "words")]
        print(f"| {threshold:g} | {kept[threshold] / pictures:.0%} | {losses[0]} | {losses[1]} |")


if __name__ == "__main__":
    main()
