"""What works, what does not, and what to do about it; and how far services keep to the contract.

`checkup` looks at this observatory. `examine` asks services for what `clauses` claims of them; `claims`, `lists`,
`telemetry`, `manners` and `frames` judge what came, and `report` tells it to the people who run them. Nothing here
changes anything, anywhere.
"""
