/** What the enrolment page says while it runs, in Japanese; the texts that always stand there are in its template. */

const CALL = "下の「お問い合わせ窓口」へご連絡ください。";

export const PASSWORD = {
  empty: "",
  incomplete: ({ count }) => `あと ${25 - count} 文字です（${count}／25）。`,
  badCharacter: ({ character }) => `「${character}」は、パスワードに使われない文字です。`,
  tooLong: () => "25 文字を超えています。パスワードだけを貼り付けてください。",
  wrongCheck: () => "文字の誤りがあります。メールと見比べてください（この誤りは、入力回数の制限に数えません）。",
  complete: () => "25 文字そろっています。",
};
export const PASSWORD_NEEDED = "25 文字のパスワードを、すべて入力してください。";
export const WRONG_PASSWORD = (left) =>
  "パスワードが違います。URL のメールと同じ CN のパスワードか、お確かめください。" +
  (left === undefined ? "" : `あと ${left} 回間違えると、URL がロックされます。`);
export const WAIT = "しばらくお待ちください…";
export const URL_BROKEN = "証明書取得用 URL ではありません。「https://」から末尾まで、メールからコピーし直してください。";
export const PASSPHRASE_SHORT = (least) => `${least} 文字以上で決めてください。`;
export const PASSPHRASE_LETTERS = "半角の英数字と記号で決めてください（日本語入力をオフにします）。";
export const PASSPHRASES_DIFFER = "2 つの欄の内容が違います。";
export const COPIED = "コピーしました。";
export const SELECTED = "選択しました。Ctrl+C（Mac は ⌘C）でコピーしてください。";
export const FRIENDLY_NAME = (cn, end) => `${cn}（${end} まで）`;

/** What each refusal is called, what happened, and what to do. */
export const REFUSALS = {
  locked: {
    title: "URL がロックされています",
    what: "パスワードの誤りが続いたため、この URL はロックされました。",
    remedy: `ロックの解除が必要です。${CALL}`,
  },
  expired: {
    title: "URL の有効期限が過ぎています",
    what: "この URL は、有効期限が過ぎているため使えません。",
    remedy: `新しい URL とパスワードをお送りできます。${CALL}`,
  },
  used: {
    title: "URL は使用済みです",
    what: "この URL の証明書は、すでに取得されています。1 つの URL で取得できる証明書は 1 枚です。",
    remedy:
      "このパソコンに取り込み済みであれば、操作は不要です。誤って別のパソコンで取得した場合は、管理者が「証明書失効・" +
      "新規発行申請書（DCM904）」を提出してください。お心当たりがない場合は、第三者が取得したおそれがあります。すぐに、" +
      CALL,
  },
  replaced: {
    title: "この URL は無効になりました",
    what: "新しい URL をお送りしたか、申請が取り消されたため、この URL は使えません。",
    remedy: `最新のメールの URL とパスワードを使ってください。見当たらない場合は、${CALL}`,
  },
  suspended: {
    title: "証明書が一時停止されています",
    what: "この証明書は、一時停止または失効の手続き中のため、取得できません。",
    remedy: CALL,
  },
  unauthorized: {
    title: "この URL では取得できません",
    what: "この URL は登録されていないか、取得を続けられない状態です。",
    remedy: `メールの URL を、途中で切れないようにコピーして開き直してください。それでも取得できない場合は、${CALL}`,
  },
  rateLimited: {
    title: "しばらくお待ちください",
    what: "短い時間に多くの操作があったため、受け付けを一時的に止めています。",
    remedy: (minutes) => `${minutes} 分ほど待ってから、「もう一度試す」を押してください。`,
  },
  serverInternal: {
    title: "ただいま処理できません",
    what: "サーバーが混み合っているか、一時的に利用できません。",
    remedy: `少し待ってから、「もう一度試す」を押してください。続くときは、${CALL}`,
  },
  unreachable: {
    title: "サーバーに接続できません",
    what: "通信が途切れました。",
    remedy: `ネットワークの接続を確かめて、「もう一度試す」を押してください。続くときは、${CALL}`,
  },
  elsewhere: {
    title: "アドレスが違います",
    what: "このページは、メールの URL とは別のアドレスで開かれています。",
    remedy: "メールの URL を、そのまま開いてください。",
  },
  stillProcessing: {
    title: "発行に時間がかかっています",
    what: "証明書の発行が、まだ終わっていません。",
    remedy: `数分後に、「もう一度試す」を押すか、同じ URL を開き直してください。続くときは、${CALL}`,
  },
  tooEarly: {
    title: "まだ更新できません",
    what: "この証明書は、更新できる期間になっていません。",
    remedy: `有効期限が近づいてから、同じ URL を開き直してください。お急ぎの場合は、${CALL}`,
  },
  lapsed: {
    title: "更新できる期間を過ぎています",
    what: "証明書の有効期限から長い期間が過ぎたため、更新できません。",
    remedy: `新しい証明書が必要です。管理者が申請書（DCM904 または DCM902）を提出してください。ご不明な点は、${CALL}`,
  },
  alreadyReplaced: {
    title: "すでに更新されています",
    what: "この証明書は、自動更新など別の操作で更新済みです。",
    remedy: `更新された証明書が見当たらない場合は、${CALL}`,
  },
  foreignCertificate: {
    title: "証明書を確認できません",
    what: "届いた証明書が、このパソコンの鍵または CN と一致しません。",
    remedy: `この証明書は使用しないでください。${CALL}`,
  },
  unknown: {
    title: "取得できませんでした",
    what: "思いがけない問題が起きました。",
    remedy: `「もう一度試す」を押してください。続くときは、${CALL}`,
  },
};

export const REPORT = {
  time: "日時",
  reason: "理由",
  answer: "サーバーの応答",
  request: "要求番号",
  step: "操作",
  cn: "CN",
  institution: "金融機関名",
  browser: "ブラウザー",
  os: "OS",
  none: "（なし）",
};
export const STEPS = {
  resume: "ページを開いた",
  bind: "パスワードの入力",
  obtain: "証明書の取得",
  save: "ファイルの保存",
};
