"""Certificates that never were have serials, names and statuses as the product's have."""

from bench.population import Population
from protocol.names import CommonName

POPULATION = Population(5_000, now=1_800_000_000)


def test_serials_rise_over_the_whole_key_space() -> None:
    serials = [POPULATION.serial(place) for place in range(POPULATION.count)]
    assert serials == sorted(set(serials))
    assert serials[0].bit_length() >= 125
    assert serials[-1] > (1 << 128) - (1 << 117)


def test_every_name_is_one_that_the_product_reads() -> None:
    names = {str(CommonName.parse(POPULATION.cn(place))) for place in range(POPULATION.count)}
    assert len(names) == POPULATION.count


def test_about_the_share_that_was_asked_for_is_revoked() -> None:
    revoked = sum(POPULATION.revoked(place) is not None for place in range(POPULATION.count))
    assert 400 < revoked < 600
    everything = Population(100, POPULATION.now, share_revoked=1)
    assert all(everything.revoked(place) is not None for place in range(100))
