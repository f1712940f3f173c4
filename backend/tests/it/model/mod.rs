//! Random sequences of what people, programs and devices do, compared with a model of the rules after every step.

mod rules;
mod step;
mod world;

use proptest::{prelude::*, test_runner::TestRunner};

use self::{step::Step, world::World};

/// Sequences in one run of the tests; `PROPTEST_CASES` replaces it.
const SEQUENCES: u32 = 12;

/// Longest sequence.
const LONGEST: usize = 40;

#[test]
fn every_sequence_of_steps_follows_the_rules() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(SEQUENCES);
    let config = ProptestConfig {
        cases,
        // A sequence takes a second, so shrinking is limited.
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let prepared = world::Prepared::new();
    let steps = std::cell::Cell::new(0);
    let sequences = prop::collection::vec(Step::any(), 1..LONGEST);
    let result = TestRunner::new(config).run(&sequences, |sequence| {
        let mut world = World::new(&prepared);
        for step in sequence {
            world
                .take(&step)
                .map_err(|why| TestCaseError::fail(format!("{step:?}: {why}")))?;
            steps.set(steps.get() + 1);
        }
        world.end();
        Ok(())
    });
    println!("{cases} sequences, {} steps", steps.get());
    if let Err(error) = result {
        panic!("{error}");
    }
}
