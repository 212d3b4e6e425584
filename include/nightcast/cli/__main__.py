"""`python -m nightcast.cli`."""

from nightcast.cli.main import app

if __name__ == "__main__":
    app(prog_name="nightcast")
