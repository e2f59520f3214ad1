//! How much a second sync costs.

use crate::support::pattern;
use crate::{Place, write};

#[tokio::test]
async fn one_changed_file_of_a_large_tree_is_all_that_is_sent() {
    for place in [Place::agent().await, Place::plain()] {
        let content = pattern(25_000);
        for number in 0..2000 {
            write(place.here(format!("{}/{}", number % 50, number)), &content);
        }
        let first = place.sync().await.unwrap();
        write(place.here("7/7"), "changed");
        let second = place.sync().await.unwrap();
        assert_eq!((first.bytes, second.sent, second.bytes), (50_000_000, 1, 7), "{}", place.name);
        place.settled().await;
    }
}
