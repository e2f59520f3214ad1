//! The word somebody probably meant.

/// Texts longer than this have no nearest word: nobody mistypes them, and comparing them costs time.
const LONGEST: usize = 64;

/// The one of `candidates` that `text` is most likely a slip of, when there is one close enough to offer.
pub fn nearest_word<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let length = text.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    // A word of two letters is one slip away from too many others.
    let tolerance = if length < 3 { 0 } else { (length / 3).max(1) };
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= tolerance)
        .map(|candidate| (edit_distance(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out, replaced or swapped with their neighbour to make one text of the other.
fn edit_distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized_and_other_words_are_not() {
        let words = ["container", "vm", "microvm", "sandboxed-container"];
        for (text, expected) in [
            ("containr", Some("container")),
            ("Container", Some("container")),
            ("contianer", Some("container")),
            ("mv", None),
            ("VM", Some("vm")),
            ("vmm", Some("vm")),
            ("micro-vm", Some("microvm")),
            ("", None),
            ("house", None),
            ("sandboxed_container", Some("sandboxed-container")),
        ] {
            assert_eq!(nearest_word(text, words), expected, "{text}");
        }
        assert_eq!(nearest_word(&"x".repeat(100_000), words), None);
    }
}
