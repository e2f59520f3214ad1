//! What needs a host with a container engine.

use crate::root::docs::check_pages_with_hosts;

#[test]
fn what_pages_show_on_hosts_is_what_happens() {
    check_pages_with_hosts();
}
