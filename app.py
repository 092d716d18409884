"""The web entry: `gunicorn app:server`, or `python app.py` for the same."""

from observatory import cli, config, log
from observatory.web.application import application

if __name__ == "__main__":
    raise SystemExit(cli.main(["serve"]))

settings = config.load()
log.configure(settings.log_level, process="web")
app = application(settings)
server = app.server
