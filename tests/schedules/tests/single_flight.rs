//! What must hold however the threads of one process run.

use shuttle::thread::{self, JoinHandle};

use crate::{
    error::TokenError,
    world::{Ends, World},
};

/// So many orders at random, and so many in which one thread is held up at a bad moment.
const ORDERS: usize = 400;

/// Runs under many orders of threads. A failure prints the order, which `shuttle::replay` repeats; a thread that waits for ever is one too.
fn in_many_orders(run: impl Fn() + Clone + Send + Sync + 'static) {
    shuttle::check_random_with_seed(run.clone(), 0x5eed, ORDERS);
    shuttle::check_pct(run, ORDERS, 3);
}

fn spawn<T: Send + 'static>(world: &World, run: impl FnOnce(&World) -> T + Send + 'static) -> JoinHandle<T> {
    let world = world.clone();
    thread::spawn(move || run(&world))
}

/// Memory never contradicts the store once everybody is done: it has the record, or nothing.
fn assert_memory_fits_the_store(world: &World) {
    if let Some((version, token)) = world.known() {
        let stored = world.stored();
        let of_store = stored.as_ref().map(|record| (record.version, Some(record.token)));
        assert_eq!(Some((version, token)), of_store);
    }
}

#[test]
fn callers_share_one_refresh_and_get_its_token() {
    in_many_orders(|| {
        let world = World::new(100);
        let callers: Vec<_> = (0..3).map(|_| spawn(&world, |world| world.get(Ends::WithAResult))).collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Ok(2));
        }
        assert_eq!(world.redeemed(), [1]);
        assert_eq!(world.known(), Some((2, Some(2))));
    });
}

#[test]
fn a_refresh_that_is_dropped_keeps_nobody_waiting() {
    in_many_orders(|| {
        let world = World::new(100);
        let dropped = spawn(&world, |world| world.get(Ends::Dropped));
        let callers: Vec<_> = (0..2).map(|_| spawn(&world, |world| world.get(Ends::WithAResult))).collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Ok(2));
        }
        assert_eq!(dropped.join().unwrap(), Ok(2));
        assert_eq!(world.redeemed(), [1]);
    });
}

#[test]
fn a_login_during_a_refresh_is_what_stays() {
    in_many_orders(|| {
        let world = World::new(100);
        let callers: Vec<_> = (0..2).map(|_| spawn(&world, |world| world.get(Ends::WithAResult))).collect();
        let login = spawn(&world, World::put);
        for caller in callers {
            assert!(caller.join().unwrap().is_ok());
        }
        let token = login.join().unwrap();
        assert_eq!(world.stored().unwrap().token, token);
        assert_memory_fits_the_store(&world);
        assert_eq!(world.get(Ends::WithAResult), Ok(token));
    });
}

#[test]
fn of_two_logins_memory_has_the_one_that_the_store_has() {
    in_many_orders(|| {
        let world = World::new(100);
        let logins = [spawn(&world, World::put), spawn(&world, World::put)];
        let caller = spawn(&world, |world| world.get(Ends::WithAResult));
        for login in logins {
            login.join().unwrap();
        }
        caller.join().unwrap().unwrap();
        assert_memory_fits_the_store(&world);
    });
}

#[test]
fn a_deleted_key_stays_deleted_in_memory() {
    in_many_orders(|| {
        let world = World::new(100);
        let caller = spawn(&world, |world| world.get(Ends::WithAResult));
        let deletion = spawn(&world, World::delete);
        let _ = caller.join().unwrap();
        deletion.join().unwrap();
        assert_eq!(world.stored(), None);
        assert_eq!(world.known(), None);
        assert_eq!(world.get(Ends::WithAResult), Err(TokenError));
    });
}

#[test]
fn a_login_after_a_deletion_is_believed_or_not_known() {
    in_many_orders(|| {
        let world = World::new(100);
        let login = spawn(&world, World::put);
        let deletion = spawn(&world, |world| {
            world.delete();
            world.put()
        });
        let caller = spawn(&world, |world| world.get(Ends::WithAResult));
        login.join().unwrap();
        deletion.join().unwrap();
        let _ = caller.join().unwrap();
        assert_memory_fits_the_store(&world);
        let stored = world.stored().unwrap();
        assert_eq!(world.get(Ends::WithAResult), Ok(stored.token));
    });
}

#[test]
fn further_tokens_wait_for_each_other_and_each_is_obtained_once() {
    in_many_orders(|| {
        let world = World::new(100);
        let login = spawn(&world, |world| world.get(Ends::WithAResult));
        let callers: Vec<_> =
            ["mail", "files", "mail"].map(|scope| spawn(&world, move |world| world.get_for(scope))).into();
        assert!(login.join().unwrap().is_ok());
        let tokens: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap().unwrap()).collect();
        assert_eq!(tokens[0], tokens[2]);
        assert_ne!(tokens[0], tokens[1]);
        assert_eq!(world.redeemed().len(), 3);
        assert_memory_fits_the_store(&world);
    });
}

#[test]
fn room_that_is_made_ends_no_refresh_that_is_under_way() {
    in_many_orders(|| {
        let world = World::new(1);
        let callers: Vec<_> = (0..2).map(|_| spawn(&world, |world| world.get(Ends::WithAResult))).collect();
        let others = spawn(&world, |world| {
            for key in [2, 3, 4] {
                world.learn_of_another(key);
            }
        });
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Ok(2));
        }
        others.join().unwrap();
        assert_eq!(world.redeemed(), [1]);
        assert_memory_fits_the_store(&world);
    });
}
