//! Folders sent to a machine, where a sandbox with fewer rights has them, too.

use crate::place::Place;
use sandboxer_reach::sync::{SyncOptions, sync};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: usize = 25;

/// Exchanges a folder for a link to another, and back, until it is dropped.
struct Exchange(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Exchange {
    fn of(sub: &Path, away: &Path, victim: &Path) -> Self {
        let [sub, away, victim] = [sub, away, victim].map(Path::to_owned);
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let exchange = move || {
            // Each step may find what a sync has just made.
            while !told.load(Ordering::Relaxed) {
                std::fs::remove_dir_all(&away).ok();
                std::fs::rename(&sub, &away).ok();
                std::os::unix::fs::symlink(&victim, &sub).ok();
                std::fs::remove_file(&sub).ok();
                std::fs::create_dir(&sub).ok();
            }
        };
        Self(over, Some(std::thread::spawn(exchange)))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[tokio::test]
async fn whoever_exchanges_a_folder_for_a_link_leads_no_sync_out() {
    let place = Place::new();
    for (route, name) in place.routes().iter().zip(["here", "there"]) {
        let session = place.ways().at(route).await.unwrap().session().await.unwrap().session;
        let folder = place.path("work").join(name);
        let [source, work, victim] = ["source", "work", "victim"].map(|name| folder.join(name));
        for folder in [source.join("sub"), victim.clone()] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
        let synced = async |text: &str| {
            for name in &names {
                std::fs::write(source.join("sub").join(name), text).unwrap();
            }
            sync(session.as_ref(), &source, work.to_str().unwrap(), &SyncOptions::default()).await
        };
        synced("first").await.unwrap();
        let exchange = Exchange::of(&work.join("sub"), &folder.join("away"), &victim);
        for round in 0..ROUNDS {
            // Some arrive, some do not.
            synced(&"x".repeat(round + 10)).await.ok();
        }
        drop(exchange);
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0, "{name}");
        // And once nobody is in the way, all arrives.
        std::fs::remove_dir_all(work.join("sub")).unwrap();
        synced("last").await.unwrap();
        assert_eq!(std::fs::read_to_string(work.join("sub/f0")).unwrap(), "last");
    }
}
