//! Random sequences of what people, programs and devices do, compared with a model of the rules after every step.

mod clocks;
mod rules;
mod step;
mod world;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use self::{step::Step, world::World};

/// Sequences in one run of the tests, which are always the same. `PROPTEST_CASES` replaces them by this number of random ones.
const SEQUENCES: u32 = 12;

/// Longest sequence.
const LONGEST: usize = 60;

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
    let prepared = world::Prepared::new();
    let steps = std::cell::Cell::new(0);
    let reached = std::cell::Cell::new((0, 0));
    let sequences = prop::collection::vec(Step::any(), 1..LONGEST);
    let result = runner.run(&sequences, |sequence| {
        let mut world = World::new(&prepared);
        for step in sequence {
            world.take(&step).map_err(|why| {
                // Shown before the search for a shorter sequence, which takes long.
                println!("{step:?}: {why}");
                TestCaseError::fail(format!("{step:?}: {why}"))
            })?;
            steps.set(steps.get() + 1);
        }
        let ((opened, signed), before) = (world.end(), reached.get());
        reached.set((before.0 + opened, before.1 + signed));
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
