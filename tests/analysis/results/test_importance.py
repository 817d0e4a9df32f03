"""The forest of the importances."""

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from analysis.results.importance import predict


def test_the_trees_asked_one_by_one_are_the_forest():
    random = np.random.default_rng(0)
    values = random.normal(size=(40, 3))
    forest = RandomForestRegressor(12, random_state=0).fit(values, values[:, 0] + random.normal(size=40))
    unseen = random.normal(size=(25, 3))
    assert len(np.unique(predict(forest, unseen))) > 5
    np.testing.assert_array_equal(predict(forest, unseen), forest.predict(unseen))
