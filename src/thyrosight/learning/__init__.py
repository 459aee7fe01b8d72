"""A folder of labelled ultrasound -> a validated, calibrated bundle and its report, by one call.

Nothing is computed here: the steps are the functions of prepare, audit, train, evaluate, compare and calibrate, in
their order, with settings that the set and the time at hand decide.
"""
