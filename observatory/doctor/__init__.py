"""What works, what does not, and what to do about it; and how far services keep to the contract.

`checkup` looks at this observatory. `examine` asks services for what `clauses` claims of them, with `claims` to judge
an answer by, and `report` tells it to the people who run them. Nothing here changes anything, anywhere.
"""
