// The stage as a component: one for each root, fed whenever Python runs.

const stages = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let S = stages.get(root);
  if (!S) stages.set(root, (S = openStage(root)));
  S.send = component.setTriggerValue;
  clearTimeout(S.closing);
  const { data } = component;
  receive(S, data instanceof Uint8Array ? data : new Uint8Array(data));
  return () => {
    S.closing = setTimeout(() => close(S), 1000); // where Streamlit only draws it anew, it goes on
  };
}
