//! Lists that live events change.

use std::sync::Arc;

use leptos::prelude::*;

type Row = Arc<dyn Fn(String) -> AnyView + Send + Sync>;

/// A row stays the element that it is for as long as its item is there: news of other items take neither the focus
/// nor an unfolded form away.
#[component]
pub fn Rows<T>(
    /// What is listed, in this order.
    #[prop(into)]
    items: Signal<Vec<T>>,
    /// Tells items apart.
    key: fn(&T) -> String,
    /// One row. It is made once and follows its item.
    row: impl Fn(Memo<T>) -> AnyView + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let keys = Memo::new(move |_| items.with(|items| items.iter().map(key).collect::<Vec<_>>()));
    let made = move |wanted: String| {
        let find = move |items: &Vec<T>| items.iter().find(|item| key(item) == wanted).cloned();
        match items.with_untracked(&find) {
            // What has left the list keeps its last state, until its row is gone too.
            Some(first) => row(Memo::new(move |last: Option<&T>| {
                items
                    .with(&find)
                    .or_else(|| last.cloned())
                    .unwrap_or_else(|| first.clone())
            })),
            None => ().into_any(),
        }
    };
    // Without the types, so that this is in the program once and not once for every list.
    keyed(keys.into(), Arc::new(made))
}

fn keyed(keys: Signal<Vec<String>>, row: Row) -> AnyView {
    view! { <For each=move || keys.get() key=String::clone children=move |key| row(key) /> }
        .into_any()
}
