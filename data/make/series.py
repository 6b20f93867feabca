"""Four public-domain series, copied byte for byte out of two packages.

python -m pip install --no-deps statsmodels==0.15.0 vega_datasets==0.9.0
python data/make/series.py [--out FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _common import output_folder, package, write

FILES = {
    "elnino.csv": ("statsmodels", "0.15.0", "statsmodels/datasets/elnino/elnino.csv"),
    "co2.csv": ("statsmodels", "0.15.0", "statsmodels/datasets/co2/co2.csv"),
    "sunspots.csv": ("statsmodels", "0.15.0", "statsmodels/datasets/sunspots/sunspots.csv"),
    "seattle-weather.csv": (
        "vega_datasets",
        "0.9.0",
        "vega_datasets/_data/seattle-weather.csv",
    ),
}


def main() -> None:
    folder = output_folder()
    for name, (project, version, inside) in FILES.items():
        path = Path(str(package(project, version).locate_file(inside)))
        write(folder / "series" / name, path.read_bytes())


if __name__ == "__main__":
    main()
