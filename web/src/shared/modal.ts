let opener: HTMLElement | null = null;

/** Opens a dialog. When it is removed, the focus goes back to where it was before; also after several in a row. */
export function showModal(dialog: HTMLDialogElement): () => void {
  const { activeElement } = document;
  if (activeElement instanceof HTMLElement && activeElement !== document.body && !activeElement.closest("dialog")) {
    opener = activeElement;
  }
  dialog.showModal();
  return () => {
    if (document.activeElement === document.body) opener?.focus();
  };
}
