//! Problems: what happened, and what to do.

use countersign_protocol::problem::Problem;
use leptos::prelude::*;

use crate::work::Work;

/// A problem, or nothing.
#[component]
pub fn ProblemView(
    /// The problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    // The region is there before the problem, so that screen readers notice what comes into it.
    view! {
        <div role="alert">
            {move || {
                problem
                    .get()
                    .map(|problem| {
                        view! {
                            <div class="problem" data-testid="problem">
                                <strong>{problem.title}</strong>
                                <p>{problem.detail}</p>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

/// How the last run of a form or button failed.
#[component]
pub fn WorkProblem(
    /// The form's or button's work.
    work: Work,
) -> impl IntoView {
    view! { <ProblemView problem=work.problem /> }
}
