"""One question = one file: its docstring says the question, the command, the cost and what to expect.

SPACE is a dict of TrialConfig field -> value, list of values, or (for Optuna) a domain of ray.tune; or a list of such
dicts for unions. A SPACE without a vendor means every vendor of the cohort. SEARCH says sampler, samples, seeds and
objectives. Many rates with one seed each, pooled by a curve, tell more than few rates with many seeds.
"""
