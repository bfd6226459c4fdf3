"""The device's sums and searches in the places of the host's: the same answers, and no false one from a broken device."""

from functools import partial

import pytest

from bitsage.nodes import device_curve
from bitsage.nodes.device_curve import WORTH_IT, DeviceLog, device_sum, engine_for, table_for
from bitsage.opencl import DeviceLost
from bitsage.opencl.device import choose, discover, open_device
from bitsage.privacy import Batch, decrypt_balance, deposited, make_withdrawal, payment_public_key, verify_withdrawal
from bitsage.privacy.curve import G
from bitsage.privacy.dlog import DiscreteLog
from bitsage.privacy.errors import NotDecryptable

SECRET = 0x5EC2E7


@pytest.fixture(scope="module")
def info():
    found = choose() if discover() else None
    if found is None:
        pytest.skip("no OpenCL device is present")
    return found


@pytest.fixture(scope="module")
def table(info):
    return DeviceLog.of(info, DiscreteLog.build(12))


def withdrawal(units):
    balance = deposited(b"", 1000)
    proof = make_withdrawal(secret=SECRET, balance=balance, units=units, available_units=1000, context=b"c")
    return proof, {"balance": balance, "key": payment_public_key(SECRET), "units": units, "context": b"c"}


@pytest.mark.parametrize("units", [0, 1, 4096, 4097, 8193, 123_456_789])
def test_amounts_are_found(table, units):
    assert decrypt_balance(deposited(b"", units), SECRET, table=table) == units


def test_an_amount_beyond_the_bits_is_not_decryptable(table):
    with pytest.raises(NotDecryptable):
        table.find(5000 * G, bits=12)


def test_a_batch_holds_on_the_device_as_on_the_host(info):
    batch = Batch(partial(device_sum, open_device(info)))
    for units in (1, 2, 3):
        proof, statement = withdrawal(units)
        assert verify_withdrawal(proof, **statement, batch=batch)
    assert batch.holds()
    proof, statement = withdrawal(4)
    assert verify_withdrawal(proof, **(statement | {"units": 5}), batch=batch)
    assert not batch.holds()


@pytest.mark.parametrize("broken", [lambda terms: None, lambda terms: (G.x, G.y), lambda terms: (0, 0)])
def test_a_device_that_answers_nonsense_proves_nothing(broken):
    batch = Batch(broken)
    proof, statement = withdrawal(1)
    assert verify_withdrawal(proof, **statement, batch=batch)
    assert not batch.holds()


def lost(*_):
    raise DeviceLost("gone")


def test_many_proofs_and_amounts_go_to_the_device_and_few_do_not(info, monkeypatch):
    monkeypatch.setattr(device_curve, "shared_table", lambda: DiscreteLog.build(12))
    assert engine_for(WORTH_IT - 1) is None
    assert engine_for(WORTH_IT) is not None
    assert isinstance(table_for(WORTH_IT - 1), DiscreteLog)
    assert isinstance(table_for(WORTH_IT), DeviceLog)
    monkeypatch.setenv("SAGE_DEVICE", "numpy")
    assert engine_for(WORTH_IT) is None
    assert isinstance(table_for(WORTH_IT), DiscreteLog)


def test_the_host_goes_on_where_the_device_fails(table, monkeypatch):
    monkeypatch.setattr(device_curve, "device_sum", lost)
    batch = Batch(engine_for(WORTH_IT))
    proof, statement = withdrawal(1)
    assert verify_withdrawal(proof, **statement, batch=batch)
    assert batch.holds()
    assert verify_withdrawal(proof, **(statement | {"units": 2}), batch=batch)
    assert not batch.holds()
    monkeypatch.setattr(type(table.giant), "candidates", lost)
    assert decrypt_balance(deposited(b"", 4097), SECRET, table=table) == 4097
    monkeypatch.setattr(DeviceLog, "of", lost)
    monkeypatch.setattr(device_curve, "shared_table", lambda: table.host)
    assert table_for(WORTH_IT) is table.host
