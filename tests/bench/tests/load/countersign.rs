//! The load on Countersign's module, which logs in through the protected authentication path.

use countersign_bench::{Algorithm, CountersignCard, Measurement};
use countersign_harness::pcsc::Speed;

#[test]
fn the_module_signs_under_load_of_several_threads() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut card = CountersignCard::set_up(folder.path())?;
    for algorithm in [Algorithm::Ecdsa, Algorithm::RsaPss] {
        let figures = card.measure(&Measurement {
            algorithm,
            speed: Speed::Computer,
            threads: vec![1, 2],
            seconds: 1,
        })?;
        assert_eq!(figures.len(), 2);
        assert!(figures.iter().all(|figures| figures.signatures > 0));
    }
    card.stop()
}
