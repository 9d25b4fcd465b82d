"""Each step of the mechanism against hand-worked values, limits and monotonicity."""

from __future__ import annotations

import numpy as np
import pytest

from outcomes.errors import ScenarioError
from synthetic_data import mechanism


class TestZones:
    @pytest.mark.parametrize(("energy", "depth"), [(37.0, 300.0), (190.0, 1400.0), (380.0, 2100.0)])
    def test_depth_passes_through_the_published_points(self, energy, depth):
        assert mechanism.zone_depth(energy) == pytest.approx(depth, rel=1e-12)

    def test_depth_between_points_is_linear_in_logarithms(self):
        # the geometric mean of two energies gives the geometric mean of their depths
        assert mechanism.zone_depth(np.sqrt(37.0 * 190.0)) == pytest.approx(np.sqrt(300.0 * 1400.0))

    def test_depth_beyond_the_points_keeps_the_end_slopes(self):
        lower = mechanism.zone_depth(37.0 / 2) / 300.0
        assert np.log(lower) / np.log(0.5) == pytest.approx(np.log(1400 / 300) / np.log(190 / 37))
        upper = mechanism.zone_depth(760.0) / 2100.0
        assert upper == pytest.approx(2100.0 / 1400.0)  # twice the energy, as from 190 to 380 mJ

    def test_a_spot_four_times_as_wide_halves_the_depth(self):
        assert mechanism.zone_depth(37.0, 480.0) == pytest.approx(150.0)

    def test_coverage_of_passes_that_fall_at_random(self):
        assert mechanism.surface_coverage(10.0, 1) == pytest.approx(0.10)
        assert mechanism.surface_coverage(10.0, 2) == pytest.approx(0.19)
        assert mechanism.surface_coverage(10.0, 1000) == pytest.approx(1.0)

    def test_zones_of_typical_settings(self):
        zones = mechanism.microthermal_zones(20.0, 10.0, 2, 350.0)
        # 10 % of a square centimetre in spots of pi (0.0175 cm)^2 = 9.621e-4 cm2; within the 100 to 400 a
        # square centimetre of the permeation study
        assert zones.zones_per_cm2 == pytest.approx(103.94, abs=0.01)
        assert zones.coverage == pytest.approx(0.19)
        # 300 (20 / 37)^0.9416 (120 / 350)^0.5 by hand
        assert zones.depth_um == pytest.approx(98.44, abs=0.05)
        assert zones.ablated_column_um == pytest.approx(0.19 * zones.depth_um)


class TestDelivery:
    def zones(self, coverage: float, depth: float) -> mechanism.MicrothermalZones:
        return mechanism.MicrothermalZones(coverage=coverage, depth_um=depth, zones_per_cm2=100.0)

    def test_no_channel_no_gain(self):
        assert mechanism.permeability_gain(self.zones(0.0, 100.0)) == 1.0
        assert mechanism.permeability_gain(self.zones(0.2, 0.0)) == 1.0

    def test_gain_by_hand(self):
        # half coverage and a channel far deeper than the barrier: half of the largest gain
        assert mechanism.permeability_gain(self.zones(0.05, 1e6)) == pytest.approx(3.0)
        # 1 + 4 * (0.19 / 0.24) * (1 - exp(-5)) with 1 - exp(-5) = 0.9932621
        assert mechanism.permeability_gain(self.zones(0.19, 100.0)) == pytest.approx(4.145330, abs=1e-6)

    def test_gain_rises_with_coverage_and_stays_within_the_published_folds(self):
        gains = [mechanism.permeability_gain(self.zones(c, 300.0)) for c in np.linspace(0.01, 1.0, 50)]
        assert np.all(np.diff(gains) > 0)
        assert gains[0] > 1.0
        assert gains[-1] < 5.0

    def test_gain_saturates_in_density_and_does_not_hang_on_depth(self):
        step = mechanism.permeability_gain
        assert step(self.zones(0.4, 300.0)) - step(self.zones(0.2, 300.0)) < 0.2 * (
            step(self.zones(0.2, 300.0)) - 1
        )
        assert step(self.zones(0.1, 2100.0)) == pytest.approx(step(self.zones(0.1, 300.0)), rel=1e-5)

    def test_dose_is_fold_times_volume_times_gain(self):
        assert mechanism.delivered_dose(4.0, 1.0) == 1.0  # the reference dose
        assert mechanism.delivered_dose(6.0, 0.5, 3.0) == pytest.approx(2.25)


class TestEffects:
    def test_prp_effect_passes_through_its_reference_and_half(self):
        assert mechanism.prp_effect(0.0, 16.0, 2.7) == 0.0
        assert mechanism.prp_effect(1.0, 16.0, 2.7) == pytest.approx(16.0)
        assert mechanism.prp_effect(2.7, 16.0, 2.7) == pytest.approx(16.0 * 3.7 / 2)  # half of the largest
        assert mechanism.prp_effect(1e12, 16.0, 2.7) == pytest.approx(16.0 * 3.7)

    def test_laser_effect_passes_through_its_reference_and_half(self):
        assert mechanism.laser_effect(18.0, 18.0, 15.0, 1.0) == pytest.approx(15.0)
        assert mechanism.laser_effect(0.0, 18.0, 15.0, 1.0) == 0.0
        assert mechanism.laser_effect(1e12, 18.0, 15.0, 1.0) == pytest.approx(30.0)

    def test_redundancy_moves_from_additive_over_redundant_to_antagonistic(self):
        prp = np.array([16.0])
        assert mechanism.combined_effect(15.0, prp, 0.0) == pytest.approx(31.0)
        assert mechanism.combined_effect(15.0, prp, 1.0) == pytest.approx(16.0)
        assert mechanism.combined_effect(15.0, prp, 1.6) == pytest.approx(7.0)

    def test_sessions_give_less_each(self):
        share = mechanism.session_fraction(np.arange(7.0), 6, 1.5)
        assert share[0] == 0.0
        assert share[-1] == pytest.approx(1.0)
        gains = np.diff(share)
        assert np.all(gains > 0)
        assert np.all(np.diff(gains) < 0)
        # (1 - exp(-0.75)) / (1 - exp(-1.5)) by hand
        assert share[3] == pytest.approx(0.679179, abs=1e-6)

    def test_time_course_waits_rises_and_is_whole_at_the_primary_visit(self):
        weeks = np.array([0.0, 4.0, 12.0, 24.0, 1e9])
        course = mechanism.time_course(weeks, 4.0, 8.0, 24.0)
        assert course[:2].tolist() == [0.0, 0.0]
        assert course[2] == pytest.approx((1 - np.exp(-1)) / (1 - np.exp(-2.5)))
        assert course[3] == 1.0
        assert course[4] == pytest.approx(1 / (1 - np.exp(-2.5)))

    def test_site_weights_have_mean_one_and_keep_their_order(self):
        shares = np.array([0.25, 0.35, 0.40])
        weights = mechanism.body_site_weights(np.array([1.05, 1.15, 0.85]), shares)
        assert weights @ shares == pytest.approx(1.0)
        assert weights / weights[0] == pytest.approx([1.0, 1.15 / 1.05, 0.85 / 1.05])

    def test_spill_over_by_hand_shrinks_every_difference(self):
        own = np.array([0.0, 10.0, 20.0, 30.0])
        spilled = mechanism.spill_over(own, 0.1)
        assert spilled == pytest.approx([6.0, 15.0, 24.0, 33.0])
        assert np.diff(spilled) == pytest.approx(0.9 * np.diff(own))
        assert mechanism.spill_over(own, 0.0) == pytest.approx(own)


class TestSpread:
    def test_conditional_spread_gives_the_total_back(self):
        # F is 0.8 or 1.2, Y has mean 30 and the spread found, independent: var(F Y) + error^2 by enumeration
        sd = mechanism.conditional_spread(total_sd=20.0, between_sd=0.2 * 30.0, error_sd=3.0, mean=30.0)
        products = np.array([f * y for f in (0.8, 1.2) for y in (30.0 - sd, 30.0 + sd)])
        assert products.var() + 3.0**2 == pytest.approx(20.0**2)

    def test_nothing_left_is_an_error_that_says_what_would_do(self):
        with pytest.raises(ScenarioError, match="smaller than") as caught:
            mechanism.conditional_spread(total_sd=5.0, between_sd=6.0, error_sd=1.0, mean=30.0)
        assert "6.1" in str(caught.value)

    @pytest.mark.parametrize(("mean", "sd"), [(3.0, 6.0), (18.0, 20.0), (54.0, 11.0), (72.0, 11.0)])
    def test_beta_quantiles_have_the_mean_and_spread_asked_for(self, mean, sd):
        z = np.linspace(-8.0, 8.0, 16001)
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        response = mechanism.beta_quantiles(z, mean, sd, -10.0, 100.0)
        assert np.trapezoid(response * density, z) == pytest.approx(mean, abs=1e-5)
        variance = np.trapezoid((response - mean) ** 2 * density, z)
        assert np.sqrt(variance) == pytest.approx(sd, abs=1e-5)  # trapezoids with steps of 0.001
        assert np.all(np.diff(response) >= 0)
        assert response.min() >= -10.0
        assert response.max() <= 100.0

    def test_an_impossible_spread_is_an_error(self):
        with pytest.raises(ScenarioError, match="mean and standard deviation"):
            mechanism.beta_quantiles(np.zeros(1), 50.0, 60.0, 0.0, 100.0)
        with pytest.raises(ScenarioError, match="mean and standard deviation"):
            mechanism.beta_quantiles(np.zeros(1), 120.0, 5.0, 0.0, 100.0)

    def test_scaled_response_has_the_expectation_of_the_unit(self):
        response = np.array([-10.0, 10.0, 20.0])  # mean 20 / 3 with equal weights
        scaled = mechanism.scale_response(response, np.array(15.0), np.array(20.0 / 3.0), -10.0, 100.0)
        assert scaled.mean() == pytest.approx(15.0)
        assert scaled[0] == -10.0

    def test_scaled_response_stops_at_the_whole_lesion(self):
        assert mechanism.scale_response(np.array(90.0), np.array(60.0), np.array(50.0), -10.0, 100.0) == 100.0


class TestDeviations:
    def test_variance_and_correlations_are_the_shares(self):
        n, lesions, visits = 200_000, 2, 2
        rng = np.random.default_rng(5)
        z = mechanism.visit_deviations(
            rng.standard_normal(n),
            rng.standard_normal((n, lesions)),
            rng.standard_normal((n, lesions, visits)),
            (0.6, 0.3, 0.1),
            np.array([0.0, 0.5]),
        )
        correlation = np.corrcoef(z.reshape(n, -1).T)
        tolerance = 4 / np.sqrt(n)  # four standard errors of a correlation near 0, more than four of others
        assert z.std(axis=0) == pytest.approx(np.ones((2, 2)), abs=tolerance)
        assert correlation[0, 2] == pytest.approx(0.6, abs=tolerance)  # two lesions, one visit
        assert correlation[0, 1] == pytest.approx(
            0.6 + 0.3 + 0.1 * 0.5, abs=tolerance
        )  # one lesion, two visits
        assert correlation[0, 3] == pytest.approx(0.6, abs=tolerance)  # two lesions, two visits
