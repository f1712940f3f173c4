//! Problems: what happened, and what to do next.

use countersign_protocol::problem::Problem;
use leptos::prelude::*;

use super::Prose;
use crate::work::Work;

/// The problem, if there is one. Every problem of every page is shown here.
#[component]
pub fn ProblemView(#[prop(into)] problem: Signal<Option<Problem>>) -> impl IntoView {
    // The region exists before the problem does, because screen readers announce only what is added to it.
    view! {
        <div role="alert">
            {move || {
                problem
                    .get()
                    .map(|problem| {
                        view! {
                            <div class="problem" data-testid="problem">
                                <strong>{problem.title}</strong>
                                <p>
                                    <Prose text=problem.detail />
                                </p>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

/// The problem of the last run of a form or button.
#[component]
pub fn WorkProblem(work: Work) -> impl IntoView {
    view! { <ProblemView problem=work.problem /> }
}
