//! Followers of a command that is not there.

use super::*;
use crate::process::followers::{Missed, WAITING};
use crate::process::kept::MOST_OF_ALL;

const END: End = End { exit: Exit::Code(0), timed_out: false };

fn hub() -> Hub {
    Hub::new(Memory::default())
}

async fn publish(hub: &Hub, text: &'static str) {
    hub.publish(Source::Stdout, Bytes::from_static(text.as_bytes())).await;
}

fn data(offset: u64, text: &'static str) -> Event {
    Event::Data(Piece { offset, source: Source::Stdout, bytes: Bytes::from_static(text.as_bytes()) })
}

#[tokio::test]
async fn every_follower_gets_everything_from_when_it_came() {
    let hub = hub();
    publish(&hub, "lost").await;
    let mut first = hub.follow();
    publish(&hub, "a").await;
    let mut second = hub.follow();
    publish(&hub, "b").await;
    hub.end(END).await;
    let mut late = hub.follow();
    assert_eq!(first.next().await, Ok(data(4, "a")));
    assert_eq!(first.next().await, Ok(data(5, "b")));
    assert_eq!(first.next().await, Ok(Event::End(END)));
    assert_eq!(first.next().await, Err(Missed::Ending));
    assert_eq!(second.next().await, Ok(data(5, "b")));
    assert_eq!(late.next().await, Ok(Event::End(END)));
    assert_eq!(late.next().await, Err(Missed::Ending));
}

#[tokio::test]
async fn what_was_before_is_given_once() {
    let hub = hub();
    publish(&hub, "abc").await;
    let (replay, mut events) = hub.replay(Some(1)).unwrap();
    publish(&hub, "d").await;
    assert_eq!((replay.start, replay.pieces.len(), &replay.pieces[0].bytes[..]), (1, 1, &b"bc"[..]));
    assert_eq!(events.next().await, Ok(data(3, "d")));
    assert_eq!(hub.replay(Some(5)).err(), Some(BeyondEnd { from: 5, end: 4 }));
    hub.end(END).await;
    let (late, mut events) = hub.replay(Some(0)).unwrap();
    assert_eq!(&late.pieces[0].bytes[..], b"abcd");
    assert_eq!(events.next().await, Ok(Event::End(END)));
    hub.forget();
    let forgotten = hub.look(Some(0)).unwrap();
    assert_eq!((forgotten.start, forgotten.pieces), (4, vec![]));
}

#[tokio::test]
async fn a_lost_follower_is_waited_for_when_more_would_be_forgotten() {
    let hub = hub();
    hub.linger(Duration::from_secs(1000));
    drop(hub.follow());
    let piece = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..3 {
        hub.publish(Source::Stdout, piece.clone()).await;
    }
    {
        let mut blocked = std::pin::pin!(hub.publish(Source::Stdout, piece.clone()));
        assert!(futures::poll!(&mut blocked).is_pending());
        let (replay, mut events) = hub.replay(Some(0)).unwrap();
        assert_eq!((replay.start, replay.pieces.len()), (0, 48));
        blocked.await;
        assert!(matches!(events.next().await, Ok(Event::Data(piece)) if piece.offset == 3 << 20));
    }
    assert_eq!(hub.extent().1, 4 << 20);
}

#[tokio::test]
async fn who_does_not_come_back_holds_nobody_for_ever() {
    let hub = hub();
    hub.linger(Duration::from_millis(50));
    drop(hub.follow());
    for _ in 0..20 {
        hub.publish(Source::Stdout, Bytes::from(vec![0; 1 << 20])).await;
    }
    assert_eq!(hub.extent().1, 20 << 20);
}

#[tokio::test]
async fn a_slow_follower_holds_the_command_and_a_gone_one_does_not() {
    let hub = hub();
    let slow = hub.follow();
    for _ in 0..WAITING {
        publish(&hub, "x").await;
    }
    let mut blocked = std::pin::pin!(publish(&hub, "y"));
    assert!(futures::poll!(&mut blocked).is_pending());
    drop(slow);
    blocked.await;
    publish(&hub, "z").await;
}

#[tokio::test]
async fn once_the_process_is_gone_a_stuck_follower_withholds_its_end_from_nobody() {
    let hub = Hub { patience: Duration::from_millis(50), ..hub() };
    let mut stuck = hub.follow();
    let mut other = hub.follow();
    let said = async {
        for _ in 0..=WAITING {
            publish(&hub, "x").await;
        }
    };
    let heard = async {
        for offset in 0..=WAITING {
            assert_eq!(other.next().await, Ok(data(offset as u64, "x")));
        }
        // As long as the process runs, the stuck one holds it back.
        tokio::time::sleep(3 * hub.patience).await;
        assert_eq!(stuck.next().await, Ok(data(0, "x")));
    };
    tokio::join!(said, heard);
    hub.exited();
    let ((), end) = tokio::join!(hub.end(END), other.next());
    assert_eq!(end, Ok(Event::End(END)));
    for offset in 1..=WAITING {
        assert_eq!(stuck.next().await, Ok(data(offset as u64, "x")));
    }
    assert_eq!(stuck.next().await, Err(Missed::TooSlow));
}

#[tokio::test]
async fn a_stuck_follower_of_a_gone_process_is_waited_for_once() {
    let hub = Hub { patience: Duration::from_millis(50), ..hub() };
    let _stuck = hub.follow();
    for _ in 0..WAITING {
        publish(&hub, "x").await;
    }
    let mut blocked = std::pin::pin!(publish(&hub, "y"));
    assert!(futures::poll!(&mut blocked).is_pending());
    hub.exited();
    blocked.await;
    let mut next = std::pin::pin!(publish(&hub, "z"));
    assert!(futures::poll!(&mut next).is_ready());
}

#[tokio::test]
async fn who_was_lost_is_not_waited_for_once_the_process_is_gone_and_loses_nothing() {
    let hub = hub();
    hub.linger(Duration::from_secs(1000));
    drop(hub.follow());
    let piece = Bytes::from(vec![0; 64 << 10]);
    while hub.state().kept.has_room(piece.len()) {
        hub.publish(Source::Stdout, piece.clone()).await;
    }
    let mut blocked = std::pin::pin!(hub.publish(Source::Stdout, piece.clone()));
    assert!(futures::poll!(&mut blocked).is_pending());
    hub.exited();
    assert!(futures::poll!(&mut blocked).is_ready());
    hub.linger(Duration::from_secs(1000));
    for _ in 0..3 {
        hub.publish(Source::Stderr, piece.clone()).await;
    }
    assert_eq!(hub.extent().0, 0);
    // What comes beyond that waits for nobody either.
    for _ in 0..10 {
        assert!(futures::poll!(std::pin::pin!(hub.publish(Source::Stderr, piece.clone()))).is_ready());
    }
}

#[tokio::test]
async fn who_was_lost_is_not_waited_for_where_there_will_be_no_room() {
    let memory = Memory::default();
    let hogs: Vec<Hub> = (0..80).map(|_| Hub::new(memory.clone())).collect();
    for hog in &hogs {
        hog.publish(Source::Stdout, Bytes::from(vec![0; 1 << 20])).await;
    }
    assert!(hogs.iter().map(Hub::size).sum::<usize>() > MOST_OF_ALL);
    let hub = Hub::new(memory);
    hub.linger(Duration::from_secs(1000));
    drop(hub.follow());
    for _ in 0..3 {
        let mut published = std::pin::pin!(hub.publish(Source::Stdout, Bytes::from(vec![0; 64 << 10])));
        assert!(futures::poll!(&mut published).is_ready());
    }
}

#[tokio::test]
async fn who_only_looks_or_left_is_no_follower() {
    let hub = hub();
    for _ in 0..3 {
        hub.look(Some(0)).unwrap();
        drop(hub.follow());
    }
    let last = hub.follow();
    assert!(matches!(&hub.state().phase, Phase::Running(followers) if followers.len() == 1));
    drop(last);
}
