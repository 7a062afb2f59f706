//! One caller's bad ids hurt no other caller (CONTRACT 5.2 to 5.12), in exact time.

use std::{collections::HashSet, time::Duration};

use wesal_gateway::{
    clock::{Clock, Moment},
    config::Config,
};

use crate::rejecting::{LATENCY, Scene, ids, oldest, rejected};

const TTL: Duration = Duration::from_secs(3);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test]
async fn rejection_reaches_only_requests_for_its_ids() {
    let scene = Scene::new();
    // Two requests of two callers gather while a third is fetched, and one is bad.
    let first = scene.ask("first", &ids("other", 1));
    scene.settle().await;
    let innocent = scene.ask("innocent", &ids("good", 2));
    let hostile = scene.ask("hostile", &ids("bad", 2));
    scene.settle().await;
    assert!(scene.end(first).await.0.is_ok());
    let (answer, took) = scene.end(innocent).await;
    assert!(answer.is_ok());
    assert!(took <= LATENCY * 3 + ms(20), "in flight, rejected, on its own: {took:?}");
    let (places, words) = rejected(scene.end(hostile).await.0);
    assert_eq!(places, [0, 1]);
    assert!(!words.contains("good"), "{words}");
    let merged = scene.vendor.calls().into_iter().filter(|call| call.queues.len() == 4).count();
    assert_eq!(merged, 1, "it was merged, and dissolved once");
}

#[tokio::test]
async fn hot_ids_do_not_appear_in_the_words_of_a_rejection() {
    let scene = Scene::new();
    let watched = ids("watched", 5);
    for _ in 0..8 {
        drop(scene.end(scene.ask("wallboard", &watched)).await);
        scene.pass(ms(400)).await;
    }
    let hostile = scene.ask("hostile", &["bad-1".to_owned(), "fine".to_owned()]);
    let (places, words) = rejected(scene.end(hostile).await.0);
    assert_eq!((places, words.as_str()), (vec![0], "in a call with bad-1"));
    let (answer, took) = scene.end(scene.ask("wallboard", &watched)).await;
    assert!(answer.is_ok() && took == Duration::ZERO);
}

/// 499 bad ids and a good one, again and again, three requests at any time.
#[tokio::test]
async fn bad_requests_delay_no_other_caller() {
    for same_ids in [true, false] {
        let scene = Scene::new();
        let watched = ids("watched", 20);
        drop(scene.end(scene.ask("wallboard", &watched)).await);
        let mut hostile = Vec::new();
        let mut sent = 0;
        let mut asked = Vec::new();
        for step in 0..1500_u64 {
            while hostile.len() < 3 {
                let prefix = if same_ids { "bad".to_owned() } else { format!("bad-{sent}") };
                let mut queues = ids(&prefix, 499);
                queues.push("watched-0".to_owned());
                hostile.push(scene.ask("hostile", &queues));
                sent += 1;
            }
            if step % 10 == 0 {
                let (answer, took) = scene.end(scene.ask("wallboard", &watched)).await;
                let now = scene.clock.now().since(Moment::default());
                let age = now - ms(oldest(&answer.unwrap_or_else(|failure| panic!("{:?}", failure.error))));
                assert!(age <= TTL + LATENCY, "{age:?} old at step {step}");
                assert!(took <= ms(2000), "{took:?}");
            }
            if step % 50 == 7 {
                asked.push(scene.ask("another", &[format!("once-{step}")]));
            }
            scene.pass(ms(10)).await;
            let (ended, running): (Vec<_>, Vec<_>) = hostile.into_iter().partition(|asked| asked.is_finished());
            hostile = running;
            for ended in ended {
                let (_, words) = rejected(ended.await.unwrap().0);
                assert!(!words.contains("once") && !words.contains("watched-1"), "{words}");
            }
        }
        for asked in asked {
            let (answer, took) = scene.end(asked).await;
            assert!(answer.is_ok());
            assert!(took <= ms(2000), "{took:?}");
        }
        assert!(sent > 3, "{sent}");
    }
}

#[tokio::test]
async fn ids_rejected_before_cost_a_bounded_number_of_calls() {
    let scene = Scene::new();
    let bad = ids("bad", 500);
    for queue in &bad {
        // Each alone, by callers that are not isolated for long.
        rejected(scene.end(scene.ask("other", std::slice::from_ref(queue))).await.0);
    }
    assert_eq!(scene.vendor.calls().len(), 500);
    scene.pass(Duration::from_secs(31)).await;
    let hot = ids("hot", 5);
    for _ in 0..3 {
        drop(scene.end(scene.ask("wallboard", &hot)).await);
        scene.pass(ms(700)).await;
    }
    let before = scene.vendor.calls().len();
    let (places, _) = rejected(scene.end(scene.ask("app", &bad)).await.0);
    assert!(!places.is_empty());
    let calls = scene.vendor.calls().split_off(before);
    let of_bad: Vec<_> = calls.iter().filter(|call| call.queues.iter().any(|id| id.starts_with("bad"))).collect();
    assert!(of_bad.len() <= 21, "2 x log2 of 500, and 4: {}", of_bad.len());
    assert!(of_bad.iter().all(|call| call.queues.iter().all(|id| id.starts_with("bad"))), "mixed with others' ids");
    // What was found is remembered.
    let before = scene.vendor.calls().len();
    rejected(scene.end(scene.ask("app", &bad)).await.0);
    assert_eq!(scene.vendor.calls().len(), before);
}

#[tokio::test]
async fn slow_rejection_does_not_replace_a_newer_row() {
    let scene = Scene::new();
    let queue = ids("queue", 1);
    // The second caller is isolated: its calls do not wait for the batch.
    rejected(scene.end(scene.ask("second", &ids("bad", 1))).await.0);
    scene.vendor.gone.lock().unwrap().extend(queue.clone());
    scene.vendor.latencies.lock().unwrap().push(Duration::from_secs(9));
    let slow = scene.ask("first", &queue);
    scene.pass(Duration::from_secs(7)).await;
    scene.vendor.gone.lock().unwrap().clear();
    let (answer, took) = scene.end(scene.ask("second", &queue)).await;
    assert!(answer.is_ok() && took <= LATENCY + ms(20) && !slow.is_finished());
    drop(scene.end(slow).await);
    let (answer, took) = scene.end(scene.ask("third", &queue)).await;
    assert!(answer.is_ok() && took == Duration::ZERO, "the newer row was replaced");
}

/// A new bad id in each request, one at a time.
#[tokio::test]
async fn caller_of_single_bad_ids_is_kept_out_of_batches() {
    let scene = Scene::new();
    for step in 0..150 {
        let hostile = scene.ask("hostile", &[format!("bad-{step}")]);
        if step % 3 == 0 {
            let (answer, took) = scene.end(scene.ask("innocent", &[format!("good-{step}")])).await;
            assert!(answer.is_ok());
            assert!(took <= LATENCY + ms(20) || step == 0, "{took:?} at {step}");
        }
        scene.pass(ms(100)).await;
        drop(hostile);
    }
}

/// A background refresh that is rejected: its stale rows do not stay, and batches of others are not rejected with it.
#[tokio::test]
async fn rejected_background_refresh_removes_its_parts() {
    let mut config = Config::default();
    config.cache.queue_summary.stale_while_revalidate = Duration::from_secs(30);
    let scene = Scene::with(config);
    let queues = ids("queue", 5);
    drop(scene.end(scene.ask("app", &queues)).await);
    scene.vendor.gone.lock().unwrap().push(queues[1].clone());
    scene.pass(Duration::from_secs(20)).await;
    let mut stale = 0;
    for step in 0..20 {
        match scene.end(scene.ask("app", &queues)).await.0 {
            Ok(_) => stale += 1,
            answer => assert_eq!(rejected(answer).0, [1]),
        }
        let (answer, took) = scene.end(scene.ask("innocent", &[format!("once-{step}")])).await;
        assert!(answer.is_ok() && took <= LATENCY * 3, "{took:?}");
        scene.pass(ms(700)).await;
    }
    assert!(stale <= 1, "{stale} stale answers replaced a rejection");
    let (answer, _) = scene.end(scene.ask("app", &queues[2..])).await;
    assert!(answer.is_ok(), "the others are refreshed");
}

/// More rejected requests of one caller than can be bisected in time: each is told of its rejection, and gets no stale row.
#[tokio::test]
async fn request_that_waits_for_its_bisection_is_rejected() {
    let scene = Scene::new();
    let held: Vec<Vec<String>> = (0..12).map(|n| ids(&format!("queue-{n}"), 60)).collect();
    for queues in &held {
        drop(scene.end(scene.ask("app", queues)).await);
    }
    scene.vendor.gone.lock().unwrap().extend(held.iter().map(|queues| queues[59].clone()));
    scene.pass(Duration::from_secs(6)).await;
    let asked: Vec<_> = held.iter().map(|queues| scene.ask("app", queues)).collect();
    for asked in asked {
        rejected(scene.end(asked).await.0);
    }
}

/// A member of the envelope that counts the rows of a call never counts the rows of another request, however long it goes on.
#[tokio::test]
async fn envelope_member_of_another_call_is_never_shown() {
    let mut config = Config::default();
    for ttl in [3, 600] {
        config.cache.queue_summary.ttl = Duration::from_secs(ttl);
        let scene = Scene::with(config.clone());
        scene.vendor.counts.store(true, std::sync::atomic::Ordering::Relaxed);
        for step in 0..400 {
            let one = scene.ask("one", &ids("one", 4));
            let two = scene.ask("two", &ids("two", 1));
            for (asked, rows) in [(one, 4), (two, 1)] {
                let served = scene.end(asked).await.0.unwrap_or_else(|failure| panic!("{:?}", failure.error));
                let answer: serde_json::Value = serde_json::from_slice(&served.body).unwrap();
                let total = &answer["data"]["total"];
                assert!(total.is_null() || *total == rows, "{total} of {rows} at {step}");
            }
            scene.pass(ms(500)).await;
        }
    }
}

/// The vendor knows the queue as `AB`. A caller that spells it `ab` gets its row, whoever else asks for `AB`.
#[tokio::test]
async fn other_spelling_of_another_caller_takes_no_row_away() {
    let scene = Scene::new();
    *scene.vendor.upper.lock().unwrap() = true;
    let first = scene.ask("first", &ids("other", 1));
    scene.settle().await;
    let lower = scene.ask("lower", &["ab".to_owned()]);
    let upper = scene.ask("upper", &["AB".to_owned()]);
    scene.settle().await;
    drop(scene.end(first).await);
    for asked in [upper, lower] {
        let served = scene.end(asked).await.0.unwrap_or_else(|failure| panic!("{:?}", failure.error));
        let answer: serde_json::Value = serde_json::from_slice(&served.body).unwrap();
        assert_eq!(answer["data"]["result"].as_array().unwrap().len(), 1, "{answer}");
    }
}

/// Requests that fill whole calls with ids of their own leave no room for hot parts.
#[tokio::test]
async fn full_batches_do_not_delay_a_steady_caller() {
    let mut config = Config::default();
    config.cache.queue_summary.ttl = ms(3100);
    let scene = Scene::with(config);
    let mut waits = 0;
    for step in 0..600 {
        if step % 20 == 0 {
            scene.ask("other", &ids(&format!("good-{step}"), 100));
        }
        if step % 5 == 0 {
            let (answer, took) = scene.end(scene.ask("app", &ids("watched", 3))).await;
            assert!(answer.is_ok());
            waits += usize::from(took > Duration::ZERO);
        }
        scene.pass(ms(10)).await;
    }
    assert_eq!(waits, 1, "for its first answer only");
}

#[tokio::test]
async fn innocent_requests_share_few_calls_of_their_own() {
    let scene = Scene::new();
    let first = scene.ask("first", &ids("other", 1));
    scene.settle().await;
    let hostile = scene.ask("hostile", &ids("bad", 3));
    let innocent: Vec<_> =
        (0..50).map(|n| scene.ask(&format!("wallboard-{n}"), &ids("good", 20).split_off(n % 10))).collect();
    scene.settle().await;
    drop(scene.end(first).await);
    for asked in innocent {
        let (answer, took) = scene.end(asked).await;
        assert!(answer.is_ok());
        assert!(took <= ms(2000), "{took:?}");
    }
    rejected(scene.end(hostile).await.0);
    let calls = scene.vendor.calls().len();
    assert!(calls <= 20, "{calls} calls for 50 requests");
}

/// Half of the ids are bad: more than the calls suffice for.
#[tokio::test]
async fn innocent_request_is_not_failed_by_used_up_calls() {
    let scene = Scene::new();
    let first = scene.ask("first", &ids("other", 1));
    scene.settle().await;
    let mixed: Vec<String> = ids("bad", 49).into_iter().zip(ids("good", 49)).flat_map(|(a, b)| [a, b]).collect();
    let wide = scene.ask("app", &mixed);
    // Of the same caller, too.
    let narrow = [scene.ask("app", &ids("good", 5)), scene.ask("other", &ids("good", 7))];
    scene.settle().await;
    drop(scene.end(first).await);
    for asked in narrow {
        let (answer, took) = scene.end(asked).await;
        assert!(answer.is_ok() && took <= ms(2000), "{took:?}");
    }
    let (places, _) = rejected(scene.end(wide).await.0);
    assert!(!places.is_empty() && places.iter().all(|place| place % 2 == 0), "{places:?}");
}

/// A client that leaves before its bad ids are found is found out all the same.
#[tokio::test]
async fn caller_that_hangs_up_is_kept_out_of_batches() {
    let scene = Scene::new();
    for round in 0..20 {
        let hostile = scene.ask("hostile", &ids(&format!("bad-{round}"), 3));
        let innocent = scene.ask("innocent", &[format!("good-{round}")]);
        scene.pass(ms(100)).await;
        hostile.abort();
        assert!(scene.end(innocent).await.0.is_ok());
    }
    scene.pass(Duration::from_secs(2)).await;
    let merged = |call: &&crate::rejecting::Seen| {
        let is_bad = |bad: bool| call.queues.iter().any(|id| id.starts_with("bad") == bad);
        is_bad(true) && is_bad(false)
    };
    let merged = scene.vendor.calls().iter().filter(merged).count();
    assert!(merged <= 1, "{merged} calls of innocent requests were rejected");
}

#[tokio::test]
async fn call_is_charged_to_its_only_caller() {
    let scene = Scene::new();
    let first = scene.ask("one", &ids("a", 1));
    scene.settle().await;
    let others = [scene.ask("two", &ids("b", 1)), scene.ask("three", &ids("c", 1))];
    scene.settle().await;
    drop(scene.end(first).await);
    for asked in others {
        drop(scene.end(asked).await);
    }
    let callers: Vec<_> = scene.vendor.calls().into_iter().map(|call| call.caller).collect();
    assert_eq!(callers, [Some("one".to_owned()), None], "a merged call is charged to none of several");
}

/// A caller that asks twice in a `ttl` waits for its first answer only, and its part goes along with another's first call.
#[tokio::test]
async fn steady_caller_waits_for_its_first_answer_only() {
    for period in [ms(200), ms(700), ms(1400), ms(1500)] {
        let scene = Scene::new();
        let mut waits = Vec::new();
        for n in 0..60 {
            let (answer, took) = scene.end(scene.ask("app", &ids("a", 2))).await;
            assert!(answer.is_ok());
            if took > Duration::ZERO {
                waits.push(n);
            }
            scene.pass(period).await;
        }
        assert_eq!(waits, [0], "a request each {period:?}");
    }
}

#[tokio::test]
async fn hot_part_goes_along_in_the_first_call_of_another_caller() {
    let scene = Scene::new();
    drop(scene.end(scene.ask("app", &ids("a", 1))).await);
    scene.pass(ms(1000)).await;
    drop(scene.end(scene.ask("app", &ids("a", 1))).await);
    scene.pass(ms(1000)).await;
    drop(scene.end(scene.ask("other", &ids("b", 1))).await);
    let last = scene.vendor.calls().pop().unwrap();
    assert_eq!(last.queues, ["b-0", "a-0"]);
}

/// Two callers that ask for different queues of a shape come to share one call in each cycle, whatever their phases.
#[tokio::test]
async fn groups_of_one_shape_merge_whatever_their_phases() {
    for phase in 0..50 {
        let scene = Scene::new();
        let phase = TTL * phase / 50;
        let mut asked = Vec::new();
        for step in 0..2400_u32 {
            if step % 50 == 0 {
                asked.push(scene.ask("one", &ids("a", 3)));
            }
            if ms(10) * step >= phase && step % 50 == 20 {
                asked.push(scene.ask("two", &ids("b", 3)));
            }
            scene.pass(ms(10)).await;
            asked.retain(|asked| !asked.is_finished());
        }
        let from = Moment::default().after(ms(1000) + phase + TTL * 2);
        let until = from.after(TTL * 5);
        let calls: Vec<_> =
            scene.vendor.calls().into_iter().filter(|call| call.began >= from && call.began < until).collect();
        let cycle = TTL - LATENCY * 5 / 4;
        let most = (TTL * 5).as_secs_f64() / cycle.as_secs_f64();
        assert!(calls.len() <= most.ceil() as usize + 1, "phase {phase:?}: {} calls", calls.len());
        let both = calls.iter().filter(|call| call.queues.len() == 6).count();
        assert_eq!(both, calls.len(), "phase {phase:?}: {calls:?}");
    }
}

/// After a failure nothing is refreshed ahead until a request is answered.
#[tokio::test]
async fn failed_refresh_is_not_repeated_for_nobody() {
    let scene = Scene::new();
    for _ in 0..4 {
        drop(scene.end(scene.ask("app", &ids("a", 1))).await);
        scene.pass(ms(500)).await;
    }
    scene.vendor.fail(1);
    let before = scene.vendor.calls().len();
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(scene.vendor.calls().len(), before + 1);
}

/// A part that is no longer hot causes no call, and nothing is tracked for ever.
#[tokio::test]
async fn refresh_ends_when_nobody_asks() {
    let scene = Scene::new();
    for _ in 0..4 {
        drop(scene.end(scene.ask("app", &ids("a", 1))).await);
        scene.pass(ms(500)).await;
    }
    let before = scene.vendor.calls().len();
    scene.pass(Duration::from_secs(60)).await;
    let more = scene.vendor.calls().len() - before;
    assert!((1..=4).contains(&more), "{more} calls");
}

/// One queue of a watched set is deleted at the vendor: who does not ask for it goes on, at few calls.
#[tokio::test]
async fn deleted_queue_stops_only_requests_that_name_it() {
    let scene = Scene::new();
    let all = ids("queue", 30);
    let mut seen = HashSet::new();
    for step in 0..1200 {
        if step == 300 {
            scene.vendor.gone.lock().unwrap().push("queue-7".to_owned());
        }
        if step % 50 == 0 {
            let narrow = scene.end(scene.ask("narrow", &all[10..])).await;
            assert!(narrow.0.is_ok() && narrow.1 <= ms(2000), "{:?} at {step}", narrow.1);
            match scene.end(scene.ask("wide", &all)).await.0 {
                Ok(_) => assert!(step < 700, "{step}"),
                answer => {
                    let (places, _) = rejected(answer);
                    seen.extend(places);
                }
            }
        }
        scene.pass(ms(10)).await;
    }
    assert_eq!(seen, HashSet::from([7]));
    let calls = scene.vendor.calls().len();
    assert!(calls <= 40, "{calls} calls in {:?}", scene.clock.now());
}
