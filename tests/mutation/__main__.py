"""``python -m tests.mutation``: the mutation run, the table, and exit code 1 where somebody survived without an argument."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tests.mutation.arena import Fate
from tests.mutation.run import arguments, catalogue, chosen, run, sound_ids, table


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N mutants, always the same")
    parser.add_argument("--only", default="", metavar="WORD", help="only mutants whose id holds WORD")
    parser.add_argument("--skip", default="", metavar="WORD", help="only mutants whose id does not hold WORD")
    parser.add_argument("--list", action="store_true", help="print the ids and run nothing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given = arguments()
    wanted = chosen(catalogue(), options.sample, options.only, given, options.skip)
    if options.list:
        print(*(mutant for _, mutant in wanted), sep="\n")
        return 0
    began = time.monotonic()
    sound = run(sound_ids(), (), sys.stderr)
    if any(result.fate is not Fate.SURVIVED for result in sound):
        print("a gateway as compiled is not proven: there is nothing to learn from mutants")
        return 1
    results = run(wanted, given, sys.stderr)
    print(table(results))
    print(f"{len(results)} mutants in {time.monotonic() - began:.0f} s")
    left = [r for r in results if r.fate is Fate.SURVIVED]
    print(*(f"survived: {r.id}" for r in left), sep="\n")
    shaky = [r for r in results if r.shaky]
    print(*(f"noticed only by silence: {r.id}" for r in shaky), sep="\n")
    if not (options.sample or options.only or options.skip):
        unused = [a.match for a in given if not any(r.fate is Fate.ARGUED and a.covers(r.id) for r in results)]
        print(*(f"argument about nobody: {match}" for match in unused), sep="\n")
        left = [*left, *unused]  # type: ignore[list-item]
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
