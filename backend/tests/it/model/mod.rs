//! Random sequences of what people, programs and devices do, compared with a model of the rules after every step.

mod clocks;
mod fixed;
mod rules;
mod step;
mod world;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use self::{
    step::Step,
    world::{Prepared, World},
};

/// Sequences in one run of the tests, which are always the same. `PROPTEST_CASES` replaces them by this number of random ones.
const SEQUENCES: u32 = 8;

/// Longest random sequence.
const LONGEST: usize = 60;

/// Takes the steps one after the other, and returns how many leases were opened and how many signatures were made.
fn follow(prepared: &Prepared, sequence: &[Step]) -> Result<(usize, usize), String> {
    let mut world = World::new(prepared);
    for step in sequence {
        world.take(step).map_err(|why| format!("{step:?}: {why}"))?;
    }
    Ok(world.end())
}

#[test]
fn rare_sequences_of_steps_follow_the_rules() {
    let prepared = Prepared::new();
    for (about, sequence) in fixed::sequences() {
        if let Err(why) = follow(&prepared, &sequence) {
            panic!("{about}: {why}");
        }
    }
}

#[test]
fn every_sequence_of_steps_follows_the_rules() {
    let random = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: random.unwrap_or(SEQUENCES),
        // A failing sequence can take a minute, so only a search for failures is worth shrinking them.
        max_shrink_iters: if random.is_some() { 200 } else { 0 },
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = config.cases;
    let mut runner = match random {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let prepared = Prepared::new();
    let steps = std::cell::Cell::new(0);
    let done = std::cell::Cell::new(0);
    let reached = std::cell::Cell::new((0, 0));
    let sequences = prop::collection::vec(Step::any(), 1..LONGEST);
    let result = runner.run(&sequences, |sequence| {
        let (opened, signed) = follow(&prepared, &sequence).map_err(|why| {
            // Shown before the search for a shorter sequence, which takes long.
            println!("{why}");
            TestCaseError::fail(why)
        })?;
        let before = reached.get();
        reached.set((before.0 + opened, before.1 + signed));
        steps.set(steps.get() + sequence.len());
        done.set(done.get() + 1);
        if done.get() % 100 == 0 {
            println!("{} sequences, {} steps so far", done.get(), steps.get());
        }
        Ok(())
    });
    let (opened, signed) = reached.get();
    println!(
        "{cases} sequences, {} steps, {opened} leases, {signed} signatures",
        steps.get()
    );
    if let Err(error) = result {
        panic!("{error}");
    }
    // Sequences that reach little prove little.
    assert!(
        opened >= cases as usize / 2 && signed >= cases as usize / 2,
        "{opened} leases and {signed} signatures in {cases} sequences"
    );
}
