// A Worker for pages that are opened from the disk, where browsers start no other: its
// script runs in a hidden frame, and messages pass between the two windows. Only what the
// search of the site needs is here.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.append(this.frame);
    const inner = this.frame.contentWindow;
    this.loaded = new Promise((resolve) => {
      inner.document.open();
      inner.postMessage = (data) => {
        const message = { data: structuredClone(data) };
        this.dispatchEvent(new MessageEvent("message", message));
      };
      inner.document.write("<body></body>");
      const script = inner.document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => this.dispatchEvent(new ErrorEvent("error", { message: url }));
      inner.document.body.append(script);
      inner.document.close();
    });
  }

  postMessage(data) {
    const message = { data: structuredClone(data) };
    this.loaded.then(() =>
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", message)),
    );
  }

  terminate() {
    this.frame.remove();
  }
}

window.IFrameWorker = IFrameWorker;
if (location.protocol === "file:") window.Worker = IFrameWorker;
