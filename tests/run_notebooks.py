"""Run notebooks from top to bottom, as a reader would: `python -m tests.run_notebooks [--save] [NAME ...]`."""

import os
import re
import sys
import tempfile
import time
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


def main() -> None:
    save, names = "--save" in sys.argv, [name for name in sys.argv[1:] if not name.startswith("-")]
    with tempfile.TemporaryDirectory() as scratch:
        # No key, no weights, no traces of earlier runs.
        for name in ("OPENAI_API_KEY", "VIDEOCHAT_LLM"):
            os.environ.pop(name, None)
        # A reader's notebook stands in the repository; ours runs elsewhere and still imports from `runs`.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        os.environ |= {"VIDEOCHAT_HOME": scratch, "VIDEOCHAT_EMBEDDINGS": "builtin", "HF_HUB_OFFLINE": "1"}
        # The clips lie where a reader's notebook finds them.
        (Path(scratch) / "examples").symlink_to(ROOT / "examples")
        for path in sorted(FOLDER.glob("*.ipynb")):
            if names and not path.name.startswith(tuple(names)):
                continue
            began = time.perf_counter()
            notebook = nbformat.read(path, as_version=4)
            folder = Path(scratch) / path.stem
            folder.mkdir()
            NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
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
            print(f"{path.name}: {len(notebook.cells)} cells in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
