//! Two servers on one data directory.

use std::time::Duration;

use countersign_server::server::{DATABASE, serve};

use crate::test_server::config;

#[tokio::test]
async fn a_second_server_refuses_a_data_directory_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = || {
        let mut config = config(folder.path(), true);
        config.hsms.clear();
        config
    };
    let first = tokio::spawn(serve(new()));
    // The first server has locked the directory before it creates the database.
    while !folder.path().join(DATABASE).exists() {
        assert!(!first.is_finished(), "the first server must serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = serve(new()).await.expect_err("the directory is in use");
    let error = format!("{error:#}");
    assert!(
        error.contains("another server") && error.contains(&folder.path().display().to_string()),
        "{error}"
    );
    first.abort();
}
