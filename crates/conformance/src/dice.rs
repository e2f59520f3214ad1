//! Chance that can be repeated.

use std::time::Duration;

/// So many instants has a span.
const PARTS: u64 = 1 << 32;

/// Numbers that follow from a seed: SplitMix64, by Steele, Lea and Flood (2014).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of a check: what one check throws does not depend on which others ran.
    pub(crate) fn new(seed: u64, check: &str) -> Self {
        let digest = blake3::hash(check.as_bytes());
        let own = digest.as_bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self(seed ^ own)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One below `bound`, which is above 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// An instant within a span, always the same part of it: spans are measured, and are never the same twice.
    pub(crate) fn instant(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.below(PARTS) as f64 / PARTS as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_same_part_of_every_span() {
        let instant = |span| Dice::new(7, "a").instant(Duration::from_secs(span));
        let (short, long) = (instant(1), instant(3));
        assert!(short > Duration::ZERO && short < Duration::from_secs(1), "{short:?}");
        assert!((short * 3).abs_diff(long) < Duration::from_micros(1), "{short:?}, {long:?}");
    }

    #[test]
    fn the_same_seed_throws_the_same() {
        let throw = |seed, check| {
            let mut dice = Dice::new(seed, check);
            [dice.next(), dice.below(10), dice.next()]
        };
        assert_eq!(throw(7, "a"), throw(7, "a"));
        assert_ne!(throw(7, "a"), throw(8, "a"));
        assert_ne!(throw(7, "a"), throw(7, "b"));
    }
}
