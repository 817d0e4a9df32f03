"""The command ``tune-ks``, and ``python -m tune_ks``: run_search.py from any folder."""

from tune_ks.core.early_signals import end_while_imported


def main() -> None:
    """Run the words of the command line; ends the process with the exit code."""
    end_while_imported()
    from tune_ks.core.front import put_front_first

    put_front_first()
    from run_search import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
