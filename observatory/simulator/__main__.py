"""`python -m observatory.simulator`."""

from observatory.simulator import main

raise SystemExit(main())
