"""Print the licences of all that the app installs, as .github/LICENCES.md holds them:

    python .ci/licences.py > .github/LICENCES.md

Run it where requirements.txt is installed. What is installed on other systems alone was looked up by hand.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / ".github/requirements.lock"
ELSEWHERE = {"colorama": "BSD-3-Clause"}  # on Windows
HEAD = "# Licences of what the app installs"


def licence(name: str) -> str:
    """What a package's own metadata say: an SPDX expression, else a short field, else its classifiers."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ELSEWHERE[name]
    short = (told["License"] or "").strip()
    classified = [
        one.split(" :: ")[-1] for one in told.get_all("Classifier", []) if one.startswith("License")
    ]
    return told["License-Expression"] or (short if 0 < len(short) < 60 else ", ".join(classified))


def main() -> None:
    names = sorted(set(re.findall(r"^([\w.-]+)==", LOCK.read_text(), re.M)))
    print(HEAD, "\n| package | licence |\n| --- | --- |", sep="\n")
    for name in names:
        print(f"| {name} | {licence(name)} |")


if __name__ == "__main__":
    main()
