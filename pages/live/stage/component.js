// The stage as a component: one for each root, fed whenever Python runs.

const stages = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let S = stages.get(root);
  if (!S) stages.set(root, (S = openStage(root, null)));
  S.send = component.setTriggerValue;
  wake(S);
  const { data } = component;
  receive(S, data instanceof Uint8Array ? data : new Uint8Array(data));
  return () => sleep(S);
}
