"""What the code that screens give along begins with."""

# Editable, because a checkpoint that ships is read from the folder beside the package.
INSTALL = (
    "# fbseg_core alone, without the app: in a copy of this repository, with Python 3.11 or newer, run once\n"
    "#   pip install -e ."
)
