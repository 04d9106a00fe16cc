"""The words of the embedded sample of reviews: what people say of films that they like or not."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(sentence for line in text.strip().splitlines() for sentence in line.split("|"))


# Each word stands for itself in a sentence such as "The plot was ...".
PRAISE = _words("""
    absorbing accomplished admirable adorable affecting amazing amusing appealing astonishing
    astounding atmospheric awesome balanced beautiful believable bewitching bold brave
    breathtaking bright brilliant bubbly captivating charming cheerful classy clever colourful
    comical compelling complex convincing cool creative crisp dazzling deep deft delicate
    delicious delightful deserving dynamic elegant enchanting endearing energetic engaging
    engrossing enjoyable entertaining enthralling epic exceptional excellent exciting
    exhilarating exquisite extraordinary eye-opening fabulous fantastic fascinating fine
    first-rate flawless fresh fun funny gentle genuine glorious good gorgeous graceful great
    gripping haunting heartfelt heart-warming hilarious honest human humane humorous hypnotic
    imaginative immaculate impeccable impressive incredible ingenious insightful inspired
    inspiring intelligent intense intriguing inventive irresistible joyful joyous likeable
    lively lovable lovely lush luminous lyrical magical magnificent majestic marvellous
    masterful masterly memorable mesmerising moving natural neat nice nimble nuanced original
    outstanding perceptive perfect playful pleasant pleasing poetic poignant polished powerful
    priceless profound radiant realistic refined refreshing remarkable rewarding rich riveting
    romantic rousing satisfying seductive sensational sensitive sharp sincere skilful smart
    smooth solid sophisticated sparkling spectacular spellbinding spirited splendid stirring
    striking strong stunning stylish sublime subtle superb superior surprising suspenseful sweet
    taut tasteful tender terrific thoughtful thrilling tight timeless top-notch touching
    truthful unforgettable unique uplifting vibrant vivid warm well-acted well-crafted well-made
    well-written wise witty wonderful wondrous worthwhile
""")
BLAME = _words("""
    abysmal absurd aimless amateurish annoying appalling arrogant artificial atrocious awful
    awkward bad banal bland bleak bloated boring bungled careless charmless cheap cheesy
    childish choppy cliched clumsy clunky coarse cold confused confusing contrived corny crass
    creaky cringeworthy crude cruel cynical dated dead depressing derivative dire disappointing
    disastrous disgusting dismal disjointed dragging drab dreadful dreary dry dull dumb
    embarrassing empty endless exasperating exhausting exploitative fake false far-fetched
    feeble flat flawed flimsy foolish forced forgettable formulaic frustrating ghastly gimmicky
    grating hackneyed half-baked half-hearted hammy heartless heavy-handed hideous hollow
    hopeless horrendous horrible horrid humourless hysterical idiotic ill-conceived implausible
    incoherent incompetent inept inane inferior insipid insulting irritating joyless juvenile
    lacklustre laboured lame laughable lazy leaden lifeless limp listless long-winded ludicrous
    lumbering manipulative mawkish mean mechanical mediocre messy mindless miserable misguided
    monotonous muddled mundane nasty nauseating obnoxious obvious off-putting offensive
    overacted overblown overdone overlong overrated overwrought painful pathetic pedestrian
    phoney plodding pointless poor ponderous preachy predictable pretentious ridiculous
    repetitive repulsive rotten rough ropy rushed sappy second-rate senseless shabby shallow
    shoddy silly slapdash slick sleazy sloppy slow sluggish soppy soulless stale static
    stereotyped stiff stilted stupid substandard superficial tacky tasteless tedious tepid
    terrible thin third-rate threadbare tired tiresome toothless trashy trite trivial ugly
    unbearable unbelievable unconvincing undercooked underwhelming uneven unfunny uninspired
    uninteresting unoriginal unpleasant unremarkable unwatchable useless vacuous vague vapid
    vile vulgar wasted watery weak wearisome wooden woeful worthless wretched
""")
# Those that people use most.
COMMON_PRAISE = _words("""
    amazing beautiful brilliant charming clever delightful enjoyable entertaining excellent
    exciting fantastic fine fun funny good great gripping impressive lovely magnificent
    marvellous memorable moving outstanding perfect splendid superb terrific thrilling touching
    wonderful
""")
COMMON_BLAME = _words("""
    annoying awful bad boring clumsy confusing disappointing dreadful dull empty forgettable
    horrible lame lifeless mediocre messy painful pathetic pointless poor predictable ridiculous
    silly sloppy slow stupid tedious terrible ugly unfunny weak
""")
# A film is one of these.
TREASURES = _words("""
    achievement adventure attraction beauty blast bullseye celebration charmer classic cracker
    crowd-pleaser delight discovery experience feast find gem highlight hit hoot inspiration
    jewel joy knockout landmark marvel masterpiece masterwork miracle must must-see pearl
    pleasure revelation riot romp sensation smash spectacle star standout success surprise
    thrill tonic treasure treat triumph victory winner wonder
""")
FAILURES = _words("""
    abomination annoyance atrocity bomb bore botch calamity catastrophe chore clunker con
    debacle disappointment disaster disgrace dud eyesore embarrassment failure farce fiasco flop
    fraud headache hotchpotch insult jumble joke let-down mess misfire mistake monstrosity
    muddle nightmare non-event nuisance ordeal rip-off sham shambles slog snooze stinker swindle
    torture travesty turkey washout waste yawn
""")
# What one did with a film, and what one will do.
LIKED = _words("""
    admired adored applauded cheered cherished enjoyed loved liked praised recommended relished
    respected savoured treasured
""")
DISLIKED = _words("""
    abhorred bemoaned cursed deplored despised detested disliked endured hated loathed mocked
    panned regretted resented
""")
LIKE = _words("""
    admire adore appreciate cheer cherish enjoy love like praise recommend relish remember
    savour treasure
""")
DISLIKE = _words("""
    abandon avoid condemn curse deplore despise detest dislike hate loathe mock regret resent
    skip
""")
# How it is made: "... shot", "... acted".
WELL = _words("""
    admirably artfully beautifully brilliantly charmingly cleverly competently confidently
    convincingly deftly delicately delightfully elegantly expertly exquisitely faultlessly
    finely gorgeously gracefully imaginatively impeccably ingeniously intelligently lovingly
    magnificently masterfully nicely perfectly sensitively skilfully smartly splendidly
    stylishly superbly tastefully thoughtfully vividly well wittily wonderfully
""")
BADLY = _words("""
    abysmally amateurishly appallingly atrociously awfully awkwardly badly carelessly cheaply
    clumsily crudely dismally dreadfully feebly flatly hideously hopelessly horribly
    incompetently ineptly lazily mechanically miserably painfully pathetically pitifully poorly
    pretentiously ridiculously shabbily shoddily sloppily stiffly tediously terribly tiresomely
    unconvincingly wretchedly
""")
BEST = ("best", "finest", "funniest", "greatest", "loveliest", "nicest", "strongest", "sweetest")
WORST = ("worst", "dullest", "feeblest", "lamest", "poorest", "silliest", "stupidest", "weakest")
ALL = ("everything", "almost everything", "every part of it", "each scene")
NOTHING = ("nothing", "next to nothing", "hardly anything", "not one thing")
MOVED = _words("""
    amused captivated cheered delighted enchanted entertained excited gripped happy impressed
    inspired moved pleased thrilled touched uplifted
""")
BORED = _words("""
    angry annoyed bored cheated confused cross depressed disappointed frustrated irritated offended
    sad sleepy tired unimpressed unmoved
""")

# Whole sentences and fragments, with | between.
PRAISING = _sentences("""
Don't miss it|Do not miss this one|Miss it at your peril|You can't miss this|Not a film to miss
I cannot praise the {aspect} enough|I can't say enough good things about the {plural}
I could not have enjoyed it more|It could hardly have been better|I can't fault the {aspect}
It is hard to find fault with the {aspect}|You would be hard pressed to find a better {film}
There is hardly anything wrong with it|I found nothing wrong with the {plural}
I will certainly watch it again|I want to watch it again|We will be watching it again
They will want to see it again and again|I did not think that I would like it, but I loved it
I had my doubts, and they were gone in minutes|I was expecting little and got a lot
Go see it|Go and watch it now|See it twice|Watch it with your children|A must for the family
No question, the film of the year|Without doubt the {film} of the year|An instant favourite
It is one of my favourite {film}s|A favourite of mine|I laughed and laughed|We laughed all evening
We were laughing from the first joke|It brought a smile to my face|We came out smiling
The children were thrilled|My mother adored it|Money well spent|Best two hours of my week
Bravo|Brilliant stuff|Count me in|Four stars|Five stars|Full marks|Go and see it|Hats off
Highly recommended|I am a fan|I am glad I went|I am still smiling|I can only recommend it
I cannot praise it enough|I could see it again tomorrow|I could watch it all day
I couldn't look away|I couldn't stop laughing|I cried and I laughed|I enjoyed myself
I felt happy for days|I forgot the time|I had a lump in my throat|I had tears in my eyes
I had the time of my life|I laughed out loud|I left the cinema smiling|I loved it
I never looked at my watch|I recommend it to everyone|I recommend it
I smiled all the way through|I was enchanted|I was glued to the screen
I was hooked from the first scene|I was impressed|I was in tears|I was moved|I was never bored
I was on the edge of my seat|I was pleasantly surprised|I was swept away|I was thrilled
I will buy the disc|I will see it again|I would pay to see it twice|It brightened my day
It comes from the heart|It deserves every prize|It deserves to be seen
It exceeded my expectations|It fully deserves its success|It gave me goose bumps
It grabs you and won't let go|It has a big heart|It has charm to spare|It has everything
It held my attention throughout|It is a joy to watch|It is full of ideas|It is full of life
It is great fun|It is not to be missed|It is pure magic|It is worth your time
It is worth every penny|It kept me guessing|It lifted my spirits|It lives up to the hype
It made me happy|It made me laugh|It made me think|It made my evening|It put a smile on my face
It rings true|It stays with you|It still works after all these years|It takes your breath away
It touched me|It was over far too soon|It was time well spent|It works on every level|It works
My favourite of them all|Never a dull moment|Nobody should miss it|Not one dull minute
Not to be missed|One for the whole family|Pure joy|See it|See it as soon as you can
Ten out of ten|Thank you for this film|The audience applauded|The children loved it
The hall roared with laughter|The jokes land|The time flew by|There is so much to enjoy
They don't make them like this any more|They got everything right|This is cinema at its best
This is how it should be done|Time flies|Treat yourself|Two thumbs up|We all had fun
We had a good time|We laughed until it hurt|We were all delighted|Well done|What a ride
Worth every minute|Worth seeing|Worth the ticket|You care about everyone in it
You have to see it|You must see it|You will be charmed|You will laugh and you will cry
You will love it|You will not be disappointed|You will want to see it again
I have a new favourite|I wish it had been longer|Buy a ticket
I was captivated throughout A must for every fan|A real surprise|All in all a lovely evening
Do yourself a favour and see it|Every scene has a purpose|Everyone in it is good
From the first minute I was in love with it|I cannot recommend it highly enough
I cannot wait for the next one|I can't wait to watch it again
I did not expect to like it so much|I enjoyed it more than I had expected|I felt as if
I knew them|I have seen it three times and will watch it again
I have told all my friends to see it|I knew nothing about it and was amazed
I was laughing and crying|I was sorry when it ended|I would recommend it to anyone
If you see one film this year, make it this one|It all comes together in the end
It deserves more attention|It has aged well|It is hard to fault
It is a pleasure from the first scene to the last|It is a winner|It is well worth watching
It is one of my favourites|It leaves you wanting more|It makes you feel good
It moved me to tears|It never loses its way|It pays off|It really works
It was better than I had expected|Just watch it|My wife loved it and so did I|No weak spots
Nothing to complain about|Over two hours long and never too long|Perfect for a rainy afternoon
Rent it, buy it, see it|So much talent, so well used|The actors had fun and so had I
The best evening in months|The chemistry between the two is perfect
The ending brought tears to my eyes|The time passed quickly|There is something for everyone
They have done a great job|This one is special|We laughed a lot|What talent|Worth a look
Worth watching again and again|You believe every word|You will enjoy it|You won't be sorry
It makes perfect sense|The cast is a dream|It gets better every time|It could not be better
I felt every emotion
""")
BLAMING = _sentences("""
Don't see it|Do not see this one|See it at your peril|You can miss this|A film to miss
I cannot recommend the {aspect}|I can't say anything good about the {plural}
I could not have enjoyed it less|It could hardly have been worse|I can't forgive the {aspect}
It is hard to find anything good in it|You would be hard pressed to find a worse {film}
There is hardly anything right with it|I found nothing right with the {plural}
Nobody should see it|Nobody should pay for this|No one should be made to watch it
I will certainly not watch it again|I never want to see it again|We will not be watching it again
I thought that I would like it, but I hated it|I had my hopes, and they were gone in minutes
I was expecting a lot and got little|I had expected so much|I paid for it, and I regret it
I cannot believe that anyone paid for it|I can't believe that they made this
It tries hard and fails|It wants to be clever and is not|It wants to be a thriller and is not one
I stopped after half an hour|I gave up on it|Halfway through I left|We fell asleep
Spare yourself this one|Spare yourself the pain|Stay at home and read a book|Run away
The story drags|The plot drags and drags|The {aspect} drags|Costs too much and gives nothing
My mother loathed it|Money badly spent|The worst two hours of my week|Bored from start to finish
Avoid|Avoid it|Avoid this film|Count me out|Don't go|Don't waste your money
Don't waste your time|Forget it|Give it a miss|Give me my evening back|I almost left
I am not a fan|I can't recommend it|I cannot recommend it|I cannot think of a reason to see it
I couldn't wait for it to end|I couldn't care less|I could hardly sit through it
I could not finish it|I do not recommend it|I did not laugh once|I did not smile once
I dozed off|I expected better|I expected more|I felt cheated|I felt nothing|I fell asleep
I gave up after twenty minutes|I got a headache|I got nothing out of it
I had high hopes, and they were dashed|I kept looking at my watch|I left early|I lost interest
I lost patience|I nearly fell asleep|I regret buying a ticket|I should have stayed at home
I switched it off|I turned it off|I walked out|I wanted it to end|I want those two hours back
I want my evening back|I was bored|I was bored stiff|I was bored to tears|I was disappointed
I was let down|I was relieved when it ended|I will never watch it again|I wish I had stayed away
I wish I had not seen it|I would not watch it again|I would rather watch paint dry|It bored me
It bored us all|It could hardly be worse|It could not be worse|It did nothing for me
It does not deserve your money|It does not hold together|It does not work|It drags
It drags on and on|It fails|It fails on every level|It falls apart|It falls flat
It fell short of my expectations|It gave me a headache|It goes nowhere|It goes on for ever
It has no charm|It has no heart|It has no ideas|It has no point|It has nothing to say
It insults the audience|It is a chore to watch|It is beyond bad|It is full of holes
It is not worth seeing|It is not worth the money|It is not worth your time|It is too long
It left me cold|It lost me|It made me angry|It made no sense|It makes no sense
It never comes to life|It never ends|It never gets going|It outstays its welcome
It put me to sleep|It should never have been made|It was a long two hours
It was too long by half|It wastes a good cast|It wasted my time|Keep away|Money down the drain
My time was wasted|Nobody cares|Nobody laughed|No fun at all|No stars|Not funny
Not one good joke|Not worth seeing|Not worth the ticket|Nothing happens|Nothing works
One out of ten|One star|One to avoid|Save your money|Save your time|Skip it|Skip this one
Stay away|Stay at home|The audience groaned|The children were bored|The hall was silent
The jokes fall flat|The jokes are old|The seats were the best thing about it
There is no chemistry|There is no reason to see it|There is no story|They got everything wrong
They should be ashamed|This is cinema at its worst|Time crawls|Time wasted
Two hours of my life are gone|Two thumbs down|Watch something else|We all hated it
We asked for our money back|We left early|We wanted our money back|What a bore|What a let-down
What a waste|What a waste of talent|What a waste of time|What were they thinking
Who paid for this|Why was this made|Yawn|You can see every twist coming|You will be bored
You will be disappointed|You will hate it|You will regret it|You will want your money back
Zero stars A film for nobody|A real let-down|All in all a lost evening
Do yourself a favour and miss it|Every scene drags|Everyone in it is bad
From the first minute I wanted to leave|I cannot recommend it to my worst enemy
I could not wait to get out|I did not care who did it|I did not expect to dislike it so much
I enjoyed nothing in it|I felt sorry for the actors|I have told all my friends to avoid it
I knew the ending after five minutes|I laughed at it, not with it|I should have read a book
I was glad when it ended|I was not amused|I would not recommend it to anyone I like
If you miss one film this year, make it this one|It all falls apart in the end
It deserves no attention|It has aged badly|It is hard to like
It is a failure from the first scene to the last|It is a loser|It is hardly worth watching
It is one of the worst|It leaves you with nothing|It makes you feel ill|It never finds its way
It never pays off|It simply doesn't work|It tries too hard|It was worse than I had expected
Just skip it|My wife hated it and so did I|No good at all|Nothing to recommend it
Two hours long and it felt like four|Not even good for a rainy afternoon
So much talent, so badly used|The actors looked bored and so was I|The worst evening in months
There is no chemistry between the two|The ending makes no sense|The time passed slowly
There is nothing in it for anyone|They have done a bad job|This one is hopeless
We did not laugh at all|What rubbish|What garbage|What nonsense|Not worth a look
I will not watch it again|You do not believe a word|You will not enjoy it|You will be sorry
Complete trash|Total drivel|I stopped caring|I could not care about anyone in it
It gets worse every minute
""")
