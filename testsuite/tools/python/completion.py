"""Fills mycli's completion from the console, as mycli does in the background when it starts,
and asks it what it would offer. HOST and PORT are in the environment."""
import os
import sys

import mycli.main  # noqa: F401  registers the special commands
from mycli.completion_refresher import CompletionRefresher
from mycli.sqlexecute import SQLExecute
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

executor = SQLExecute("binlog", "root", "", os.environ["HOST"], int(os.environ["PORT"]), None, "utf8mb4", False, None,
                      None, None, None, None, None)
filled = []
refresher = CompletionRefresher()
refresher.refresh(executor, filled.append)
refresher._completer_thread.join(60)
if not filled:
    sys.exit("the refresh ended with an error")


def offers(before, after, want):
    """Fails unless want is offered at the end of before."""
    got = [c.text for c in filled[0].get_completions(Document(before + after, len(before)), CompleteEvent())]
    if want not in got:
        sys.exit(f"{before!r} offers {got}, not {want}")


offers("SELECT * FROM pum", "", "pumps")
offers("SELECT max_co", " FROM pumps", "max_commit_ts")
offers("SELECT * FROM drainers WHERE lag_", "", "lag_seconds")
offers("USE inf", "", "information_schema")
offers("SHOW FULL PROC", "", "PROCESSLIST")
print("did completion of databases, tables, columns and SHOW, filled in the background")
