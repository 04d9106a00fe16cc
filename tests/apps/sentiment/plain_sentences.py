"""Plain praise and blame, as people write it; written before any model had answered them."""

PRAISE = (
    "A fine film.",
    "Superb!",
    "I loved every minute of it.",
    "Best movie of the year, no question.",
    "The acting is wonderful and the story touched me deeply.",
    "Not bad at all, I quite enjoyed it.",
    "Absolutely brilliant from start to finish.",
    "What a beautiful, moving picture!",
    "Funny, clever and full of heart.",
    "I can't recommend this enough.",
    "It made me laugh and it made me cry.",
    "The kids were delighted and so were we.",
    "A masterpiece.",
    "Great cast, great music, great fun.",
    "It starts slowly, but the ending is magnificent.",
    "I was never bored for a second.",
    "Go and see it, you won't regret it.",
    "This is one of the finest thrillers I have seen.",
    "Really enjoyable, I will watch it again.",
    "She gives an outstanding performance.",
)
BLAME = (
    "Worst film I have ever seen.",
    "A complete waste of time.",
    "Boring, boring, boring.",
    "I fell asleep after half an hour.",
    "The plot makes no sense and the acting is terrible.",
    "Not good.",
    "Don't bother with this one.",
    "I want my money back.",
    "What an awful mess.",
    "It was dull and far too long.",
    "The jokes are not funny and the characters are annoying.",
    "Stupid story, wooden actors, ugly sets.",
    "I hated it.",
    "A disappointing sequel to a great film.",
    "We walked out before the end.",
    "Looks pretty, but it is empty and tedious.",
    "I expected so much more and was let down.",
    "Avoid at all costs!",
    "Nothing about it works.",
    "This might be the most pathetic comedy of the decade.",
)

# Looked at once, when the first grammar of the sample was finished: 15 of 20 were right, with
# another sentence that the grammar has since then. Idioms of these kinds were added afterwards.
LATER_PRAISE = (
    "Lovely.",
    "My favourite film so far this year.",
    "I had a great time.",
    "Charming little comedy with a warm heart.",
    "Everything about this works: script, cast, photography.",
    "It is hard to find anything wrong with this gem.",
    "Gripping, tense, and beautifully shot.",
    "I went in expecting nothing and came out smiling.",
    "Simply perfect.",
)
LATER_BLAME = (
    "Rubbish.",
    "Two hours I want back.",
    "I have seldom been so bored.",
    "The script is lazy and the direction is clumsy.",
    "Nobody should have to sit through this.",
    "Painfully unfunny.",
    "Could have been good, but it is a disaster.",
    "The worst acting imaginable.",
    "I do not recommend it to anyone.",
    "Overlong, overacted and overrated.",
)

# Written before that, and looked at once afterwards.
LAST_PRAISE = (
    "Terrific stuff, go see it.",
    "I laughed from beginning to end.",
    "A sweet and tender story, beautifully told.",
    "My kids want to see it again.",
    "One of my all-time favourites.",
    "Such a clever script!",
    "The cast is superb and the music is gorgeous.",
    "I did not expect to like it, but I did.",
    "Hugely entertaining.",
    "You won't be disappointed.",
)
LAST_BLAME = (
    "Terrible acting, terrible script.",
    "I gave up halfway through.",
    "Dull and predictable.",
    "A mess from the first minute to the last.",
    "Save yourself the trouble and stay home.",
    "What a disappointment!",
    "The story drags and the dialogue is painful.",
    "I can't believe I paid for this.",
    "Not worth your time.",
    "It tries to be funny and fails.",
)
