"""What the drawn videos of the tests show and say."""

from collections.abc import Sequence

from videochat.testing import Scene

# Three seconds each; what is on the screen changes at 3, 6 and 9.
SCENES: Sequence[Scene] = (
    Scene(3, "WELCOME\nTO THE KITCHEN", "white"),
    Scene(3, "", "navy"),
    Scene(3, "BOIL THE WATER", "green"),
    Scene(3, "", "firebrick", moving=True),
)
SPEECH = ((1.0, 3.0), (6.5, 8.5))
SUBTITLES = ((1.0, 3.0, "Hello and welcome."), (6.5, 8.5, "First, boil the water."))
