"""What one full Common Crawl takes on each runner, from measured figures: workers, hours, bytes, memory, dollars.

    python -m tools.capacity             # the tables, in Markdown; seconds
    python -m tools.capacity --write     # and write them into docs/capacity.md
    python -m tools.capacity --quick     # fewer simulated runs

The figures and their sources are in ``pipelines/cost_model.yaml``. The last line is one JSON object: name → number.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from gristmill.pipelines.cost_model import load_figures
from tools.capacity.capacity_page import PAGE, replace_tables, report


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs; the digits differ from the page")
    parser.add_argument("--write", action="store_true", help=f"write the tables into docs/{PAGE.name}")
    arguments = parser.parse_args()
    text, figures = report(load_figures(), 3 if arguments.quick else 20)
    if arguments.write:
        PAGE.write_text(replace_tables(PAGE.read_text(), text))
    print(text)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
