"""Explore: one noisy image through a feedback model and one beside it, step by step."""

import streamlit as st

from fbseg_core import Card, CheckpointError, ConfigError, Switches, TaskConfig
from fbseg_core.config import knobs
from fbseg_core.tasks import task_of
from pages.ui import cache, controls, figures, session

KINDS = {"feedback": "feedback", "loop_cut": "loop cut", "feedforward": "feedforward"}
SWITCHES = knobs(Switches)


def choose_models() -> tuple[str, str]:
    """Task, and which two of its checkpoints run side by side."""
    cards = cache.cards()
    tasks = sorted({card.task.name for card in cards.values()}, reverse=True)
    if not tasks:
        raise CheckpointError("There is no checkpoint: make one by a command of checkpoints/README.md.")
    session.default("task", tasks[0])
    task = st.selectbox("Task", tasks, key="task", bind="query-params")
    kinds = {name: card.model.kind for name, card in cards.items() if card.task.name == task}

    order = sorted(kinds, key=lambda name: list(KINDS).index(kinds[name]))
    first = [name for name in order if kinds[name] != "feedforward"]
    second = [name for name in reversed(order) if kinds[name] != "feedback"]
    if not first or not second:
        raise CheckpointError(f"Task {task!r} needs a recurrent and a feedforward checkpoint to compare.")
    session.default(f"{task}-model", first[0])
    session.default(f"{task}-beside", second[0])
    return (
        st.selectbox("Model", first, key=f"{task}-model", bind="query-params"),
        st.selectbox("Beside it", second, key=f"{task}-beside", bind="query-params"),
    )


def choose_image(task: TaskConfig) -> tuple[TaskConfig, int, int]:
    """How much noise, on which image, in which draw."""
    name, trained = task.name, task.sigma
    sigma = controls.slider(
        knobs(type(task))["sigma"],
        "Noise σ at each pixel",
        f"{name}-sigma",
        trained,
        hi=2.0,
        bind="query-params",
    )
    task = task.replace(sigma=sigma)
    st.caption(f"Paper sigma {task.paper_sigma:.1f} (same evidence at 512 px); trained at σ = {trained:g}.")
    seeds = []
    for key, label, what in (("sample", "Image seed", "image"), ("noise", "Noise seed", "noise draw")):
        field, push = st.columns([3, 2], vertical_alignment="bottom")
        key = f"{name}-{key}"
        push.button(
            "New",
            help=f"Take the next {what}.",
            on_click=session.next_seed,
            args=(key,),
            key=f"{key}-next",
            width="stretch",
        )
        value = session.default(key, 0)
        seeds.append(field.slider(label, 0, session.LARGEST_SEED, value, key=key, bind="query-params"))
    return task, *seeds


def choose_switches(card: Card) -> tuple[int, Switches]:
    """How long to run, and which mechanisms to flip. Only what differs from the model is set."""
    model, name = card.model, card.task.name
    steps = controls.slider(
        knobs(type(model))["steps"], "Run for T", f"{name}-T", model.steps, hi=60, bind="query-params"
    )
    st.markdown("**Switched at inference** (not trained without)")

    def toggle(key: str, label: str, on: bool = True, disabled: bool = False) -> bool:
        on = session.default(f"{name}-{key}", on)
        help = SWITCHES[key].help
        return st.toggle(label, on, key=f"{name}-{key}", help=help, disabled=disabled, bind="query-params")

    loop, softmax = (
        toggle("loop", "Feedback loop", disabled=model.kind != "feedback"),
        toggle("softmax", "Softmax projection"),
    )
    decay = toggle("decay", "Exponential decay")
    tau = controls.slider(
        SWITCHES["tau"], "τ", f"{name}-tau", model.tau, hi=40, disabled=not decay, bind="query-params"
    )
    spectrum = controls.slider(
        knobs(type(model))["spectrum"], "Eigenvalue of A", f"{name}-lambda", model.spectrum[0],
        lo=-2, hi=2, step=0.1, disabled=not decay, bind="query-params",
    )  # fmt: skip
    frozen = toggle("clock", "Freeze the clock", False)
    clock = controls.slider(
        SWITCHES["clock"],
        "Clock stands at t",
        f"{name}-clock-at",
        0,
        hi=30,
        disabled=not frozen,
        bind="query-params",
    )
    session.default(f"{name}-kernel", SWITCHES["kernel"].choices[0])
    kernel = st.selectbox(
        "Kernel",
        SWITCHES["kernel"].choices,
        key=f"{name}-kernel",
        help=SWITCHES["kernel"].help,
        bind="query-params",
    )
    return steps, Switches(
        loop=None if loop else False,
        softmax=None if softmax else False,
        decay=None if decay else False,
        tau=None if tau == model.tau else tau,
        spectrum=None if spectrum == model.spectrum[0] else (spectrum,),
        clock=clock if frozen else None,
        kernel=None if kernel == model.kernel else kernel,
    )


def describe_card(name: str, card: Card) -> str:
    """What a checkpoint says of itself, in one sentence."""
    last = min(card.model.steps, len(card.f1) - 1)
    return (
        f"`{name}`: {card.protocol}, {card.updates} updates, one training seed; "
        f"pooled F1 {card.f1[last]:.3f} at "
        f"t = {last} on {card.images} fresh images (seed {card.eval_seed}) at σ = {card.task.sigma:g}, "
        f"chance {card.chance:.3f}."
    )


@st.fragment
def show(run: cache.Run, names: tuple[str, str], kinds: tuple[str, str], key: str) -> None:
    """Everything that depends on the step: pictures, transport, curves."""
    last = len(run.trajectory)
    t = session.shown_step(key, last)
    transport = st.container(key="transport")
    back, forward, scrub = transport.columns([1, 1, 6], vertical_alignment="bottom")
    back.button(
        "Back", icon=":material/skip_previous:", on_click=session.step_to, args=(key, max(t - 1, 0)),
        disabled=t == 0, shortcut="Left", width="stretch",
    )  # fmt: skip
    forward.button(
        "Step", icon=":material/skip_next:", on_click=session.step_to, args=(key, min(t + 1, last)),
        disabled=t == last, shortcut="Right", width="stretch",
    )  # fmt: skip
    if last:
        scrub.slider("Step t", 0, last, key=key)
    batch = run.batch
    cue = batch.x[0, 1] if task_of(run.task).channel_names(run.task)[-1] == "cue" else None
    left, right = run.trajectory.probs[t, 0, 1:].sum(0), run.feedforward.probs[-1, 0, 1:].sum(0)
    size = "×".join(map(str, batch.labels.shape[1:]))
    pictures = (
        (
            figures.input_image(batch.x[0], cue),
            "Input x",
            f"{size} px" + (", cue in red" * (cue is not None)),
        ),
        (figures.probability_image(left), f"{kinds[0].capitalize()}, t = {t}", f"F1 {run.f1[t]:.3f}"),
        (figures.probability_image(right), kinds[1].capitalize(), f"F1 {run.feedforward_f1:.3f}"),
        (figures.probability_image((batch.labels[0] > 0).float()), "Truth", "the exact label"),
    )
    for column, (image, title, note) in zip(st.container(key="pictures").columns(4), pictures):
        column.markdown(f"**{title}**  \n{note}")
        column.image(image, output_format="PNG", width="stretch")
    st.image(
        figures.scale_image(), output_format="PNG", width=240, caption="P(shape): 0 (dark) to 1 (bright)"
    )
    st.markdown(
        f"Step {t} of {last}: F1 {run.f1[t]:.2f} {kinds[0]}, {run.feedforward_f1:.2f} {kinds[1]}; "
        f"{int(run.flips[t])} pixels changed their label in the last step."
    )
    what = st.segmented_control(
        "State shown in the plane", ["h", "u", "v", "logits"], default="h", required=True, key="plane"
    )
    columns = st.columns(3)
    plane = cache.plane(run, what)
    columns[0].markdown("**Path of the state** in one frozen plane")
    columns[0].plotly_chart(figures.pca_figure(plane, t), key="pca", config={"displayModeBar": False})
    columns[1].markdown("**F1 over time**")
    columns[1].plotly_chart(
        figures.score_figure(run.f1, run.feedforward_f1, run.chance, t, kinds),
        key="f1",
        config={"displayModeBar": False},
    )
    columns[2].markdown("**Correction**: what F still wants, what is let through")
    columns[2].plotly_chart(
        figures.update_figure(run.trajectory.residual[:, 0].numpy(), run.trajectory.update[:, 0].numpy(), t),
        key="updates",
        config={"displayModeBar": False},
    )
    st.caption(
        "One image, one noise draw, one trained model each: no interval can be given for these curves. "
        "A small update is not a satisfied model. And since E3 normalises δ, ‖δ‖ stays near a constant "
        "whatever F finds: freeze the clock to see whether the mask settles."
    )


def page() -> None:
    """The screen, from top to bottom."""
    st.title("Watch a mask evolve")
    with st.sidebar:
        names = choose_models()
        cards = [cache.cards()[name] for name in names]
        task, seed, noise_seed = choose_image(cards[0].task)
        steps, switches = choose_switches(cards[0])
        st.button("Reset everything", on_click=session.reset, width="stretch")
    run = cache.run(*names, task, seed, noise_seed, steps, switches)
    if run.trajectory.stopped:
        st.warning(f"The run ended early: {run.trajectory.stopped}. What was reached is shown.")
    if switches.changed():
        flipped = ", ".join(f"{key} = {value}" for key, value in switches.changed().items())
        st.info(f"Switched at inference, on a model trained with everything on: {flipped}.")
    show(run, names, tuple(KINDS[card.model.kind] for card in cards), f"t-{task.name}-{len(run.trajectory)}")
    for name, card in zip(names, cards):
        st.caption(describe_card(name, card))


session.begin()
cache.warm_up()
try:
    page()
except (ConfigError, CheckpointError) as error:
    st.error(str(error))
