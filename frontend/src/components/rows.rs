//! Lists that change with live events.

use std::sync::Arc;

use leptos::prelude::*;

type Row = Arc<dyn Fn(String) -> AnyView + Send + Sync>;

/// Keyed rows: an update of one item keeps the focus and the open forms of the others.
#[component]
pub fn Rows<T>(
    /// The items in their order.
    #[prop(into)]
    items: Signal<Vec<T>>,
    /// Identifies an item.
    key: fn(&T) -> String,
    /// Builds one row. It is called once per item; the row then follows its item.
    row: impl Fn(Memo<T>) -> AnyView + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let keys = Memo::new(move |_| items.with(|items| items.iter().map(key).collect::<Vec<_>>()));
    let build = move |wanted: String| {
        let find = move |items: &Vec<T>| items.iter().find(|item| key(item) == wanted).cloned();
        match items.with_untracked(&find) {
            // An item that has left the list keeps its last state until its row is removed.
            Some(first) => row(Memo::new(move |last: Option<&T>| {
                items
                    .with(&find)
                    .or_else(|| last.cloned())
                    .unwrap_or_else(|| first.clone())
            })),
            None => ().into_any(),
        }
    };
    // Not generic over the item, so that the program contains it once and not once per list.
    keyed(keys.into(), Arc::new(build))
}

fn keyed(keys: Signal<Vec<String>>, row: Row) -> AnyView {
    view! { <For each=move || keys.get() key=String::clone children=move |key| row(key) /> }
        .into_any()
}
