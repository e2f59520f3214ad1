//! Signals, which ssh names and Linux numbers.

use russh::Sig;

pub(crate) const HANG_UP: i32 = 1;

/// Those that only some clients name.
const FURTHER: [(&str, i32); 6] = [("USR2", 12), ("TRAP", 5), ("BUS", 7), ("CONT", 18), ("STOP", 19), ("TSTP", 20)];

/// Its number, if it has one.
pub(crate) fn number(signal: &Sig) -> Option<i32> {
    Some(match signal {
        Sig::HUP => HANG_UP,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(name) => FURTHER.iter().find(|(known, _)| known == name)?.1,
    })
}

/// Its name, if the protocol has one.
pub(crate) fn named(number: i32) -> Option<Sig> {
    Some(match number {
        HANG_UP => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        10 => Sig::USR1,
        11 => Sig::SEGV,
        12 => Sig::Custom("USR2".to_owned()),
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for signal in 1..=15 {
            assert!(named(signal).is_none_or(|name| number(&name) == Some(signal)), "{signal}");
        }
        assert_eq!(number(&Sig::Custom("RTMIN".to_owned())), None);
        assert!(named(34).is_none());
    }
}
