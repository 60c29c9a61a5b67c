"""What a datum is: which values can be stored and sent, how they are written down, ordered, named and described.

Everything here is pure and knows nothing above it: no tables' contents, no users, no wire messages. The room exports
nothing by itself; import from the noun: `reactor.values.value`, `.order`, `.id`, `.timestamp`, `.field_path`,
`.validator`, `.names`.
"""
