from geopt.visualize.compare.command import main

main()
