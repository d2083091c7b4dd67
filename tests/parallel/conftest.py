"""The suite of buckets also runs on a world of one."""

import pytest

pytest.register_assert_rewrite("suite_parallel")
