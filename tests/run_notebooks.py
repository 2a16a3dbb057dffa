"""Run notebooks from top to bottom, as a reader would: `python -m tests.run_notebooks [--save] [NAME ...]`."""

import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"


def check_outputs(name: str, notebook: Any) -> None:
    """Hold every figure to be shown as a picture, not as the words `<Figure size ...>`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if re.match(r"<\w+ size .* Axes>", str(data.get("text/plain", ""))) and "image/png" not in data:
                sys.exit(f"{name}: a figure is not shown in the cell {cell.source!r}")


def run(path: Path, scratch: Path, *, save: bool) -> str:
    """Run one notebook in a data folder of its own; return a line about it."""
    began = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    folder = scratch / path.stem
    folder.mkdir()
    environment = os.environ | {"VIDEOCHAT_HOME": str(folder / "home")}
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute(env=environment)
    check_outputs(path.name, notebook)
    if save:
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # when it ran: noise in every diff
            if "outputs" in cell:
                # Warnings of libraries name the folders of the machine on which it ran; a bar has gone.
                cell.outputs = [
                    output
                    for output in cell.outputs
                    if output.get("name") != "stderr" and output.get("data", {}).get("text/html") != ""
                ]
        nbformat.write(notebook, path)
    return f"{path.name}: {len(notebook.cells)} cells in {time.perf_counter() - began:.1f} s"


def main() -> None:
    save, names = "--save" in sys.argv, tuple(name for name in sys.argv[1:] if not name.startswith("-"))
    # No key, no weights, no traces of earlier runs.
    for name in ("OPENAI_API_KEY", "VIDEOCHAT_LLM"):
        os.environ.pop(name, None)
    # A reader's notebook stands in the repository; ours runs elsewhere and still imports from `runs`.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ |= {"VIDEOCHAT_EMBEDDINGS": "builtin", "HF_HUB_OFFLINE": "1"}
    paths = [path for path in sorted(FOLDER.glob("*.ipynb")) if not names or path.name.startswith(names)]
    # The one that trains takes longest; it begins first, and the others run beside it.
    paths.sort(key=lambda path: "embed" not in path.name)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as threads:
        # The clips lie where a reader's notebook finds them.
        (Path(scratch) / "examples").symlink_to(ROOT / "examples")
        for line in threads.map(lambda path: run(path, Path(scratch), save=save), paths):
            print(line, flush=True)


if __name__ == "__main__":
    main()
