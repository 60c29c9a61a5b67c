"""How fast is a function of mine? Calls it as clients do, many at once, and tells what that came to.

`command` reads the options; a Trial makes a Load of Clients and measures it; a Report says what was found.
"""
