// A component that shows nothing: it brings the plane that __init__.py packs.

export default function (component) {
  const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data);
  const { header, start } = decodeHeader(bytes);
  PLANE.brought = { header, blocks: decodeBlocks(bytes, header, start) };
  PLANE.heard();
}
